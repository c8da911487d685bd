"""What the service tells those who run it: logs that follow one operation, and figures for Prometheus."""
