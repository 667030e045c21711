"""Secrets sealed at rest."""
