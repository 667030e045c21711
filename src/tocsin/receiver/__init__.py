"""The kit for receivers; imports nothing of the server."""
