"""The commands: each reads, computes and prints, and decides nothing else."""
