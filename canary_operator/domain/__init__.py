"""The rules of a rollout: pure, without clock, network or cluster.

Start with `phase.py` (the life of a rollout as one table), then `decide.py` (what happens next and
why), then `record.py` and `target.py` (what that means for the status and for the cluster).
"""
