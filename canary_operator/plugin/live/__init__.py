"""The cluster as a person sees it: who we are there, reading, following, asking."""
