"""The message queue in Redis."""
