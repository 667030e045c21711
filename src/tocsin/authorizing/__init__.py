"""Ways of being let in by a receiver."""
