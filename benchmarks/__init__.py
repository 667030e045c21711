"""Micro-benchmarks of the pure stages: which function became slower."""
