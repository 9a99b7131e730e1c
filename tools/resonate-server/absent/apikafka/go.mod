module github.com/resonatehq/resonate/internal/app/subsystems/api/kafka

go 1.24
