"""The loops of the server."""
