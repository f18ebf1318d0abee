"""What thousands of rollouts cost a scrape of the operator's metrics."""
