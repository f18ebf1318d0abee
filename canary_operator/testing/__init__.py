"""Fakes and builders for tests: ours, and those of people who build on the engine."""
