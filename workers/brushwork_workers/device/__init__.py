"""The device: its selection, its failures, its metrics, module offload, and CPU settings."""
