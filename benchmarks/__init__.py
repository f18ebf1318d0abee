"""Claims about cost and decisions, measured: run with `make bench-…`; results stand in `docs/`."""
