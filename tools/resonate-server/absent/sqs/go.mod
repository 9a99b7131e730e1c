module github.com/resonatehq/resonate/internal/app/plugins/sqs

go 1.24
