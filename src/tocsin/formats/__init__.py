"""Payload formats: how an event becomes a body."""
