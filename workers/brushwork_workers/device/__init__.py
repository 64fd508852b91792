"""The device: which one is used, its metrics, and CPU settings."""
