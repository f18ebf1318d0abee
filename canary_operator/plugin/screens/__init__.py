"""Pure functions from data to what is printed; every one is tested with snapshots."""
