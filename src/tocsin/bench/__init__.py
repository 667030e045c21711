"""Measures the real server: a load generator, the installed program and a sink, three processes over real HTTP."""
