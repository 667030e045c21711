"""The benchmark: a sink, a load generator and the server as separate processes."""
