module github.com/resonatehq/resonate/internal/app/plugins/kafka

go 1.24
