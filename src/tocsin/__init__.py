"""Tocsin: tells other systems by webhook when a job or a golden record changes."""

__version__ = "0.1.0"
