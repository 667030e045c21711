"""The path of an event: accept, fanout, prepare, send, settle. Steps do not call one another."""
