"""One tick of one rollout: observe, decide, record, apply, in terms of ports."""
