"""The demo: a server, a receiver for each format, real jobs and record changes, and proof that all of it arrived."""
