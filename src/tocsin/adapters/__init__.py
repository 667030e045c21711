"""One folder for each technology; only wiring names them."""
