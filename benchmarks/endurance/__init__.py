"""Whether anything grows that should not, release after release."""
