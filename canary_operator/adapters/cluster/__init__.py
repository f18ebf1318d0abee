"""Kubernetes: a client, caches of what was seen, and the ports that read and write objects."""
