"""Traffic routers: whatever splits requests between stable and canary.

A new one is a file that implements the port `TrafficRouter`, and a line in `registry.py`.
"""
