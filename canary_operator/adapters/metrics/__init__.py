"""Sources of measurements: Prometheus."""
