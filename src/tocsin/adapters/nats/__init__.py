"""The replicated intake on NATS JetStream: the only code that knows NATS and its words."""
