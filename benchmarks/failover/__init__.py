"""How long nobody acts when the leading operator ends."""
