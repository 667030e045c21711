"""A matching engine, its changes through Tocsin, and its table rebuilt from the webhooks alone."""
