"""Endpoints as code: a file is read, compared with what the server has, and applied."""
