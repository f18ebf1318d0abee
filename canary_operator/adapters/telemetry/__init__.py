"""What the operator tells about itself, in the format of Prometheus."""
