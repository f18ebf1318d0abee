"""What the operator costs, and how late it is, as the number of rollouts grows."""
