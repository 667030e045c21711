"""Whole programs around Tocsin, on real data."""
