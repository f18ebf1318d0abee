"""How long `kubectl canary` takes to start, as a whole process."""
