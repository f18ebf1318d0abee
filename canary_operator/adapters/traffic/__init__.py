"""Traffic routers: whatever splits requests between stable and canary.

A new one is a file that implements the port `TrafficRouter`, and a line in `registry.py`.
"""

from canary_operator.adapters.traffic.registry import build_lenders, build_router

__all__ = ["build_lenders", "build_router"]
