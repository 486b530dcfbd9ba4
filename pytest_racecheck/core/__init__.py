"""The engine: values, one run, many runs. Knows neither pytest nor how code is instrumented."""
