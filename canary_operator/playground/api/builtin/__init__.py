"""The rules of the built-in kinds: what they default to, and what they refuse."""
