"""Release a new version of a service a little at a time, on Kubernetes."""
