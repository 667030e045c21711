"""Outbound HTTP/1.1 and name resolution."""
