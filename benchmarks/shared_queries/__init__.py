"""How many queries Prometheus answers in one interval, for one rollout and for many."""
