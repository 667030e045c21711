"""Signatures: proof of where the bytes come from."""
