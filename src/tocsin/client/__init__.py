"""The SDK for producers; imports nothing of the server."""
