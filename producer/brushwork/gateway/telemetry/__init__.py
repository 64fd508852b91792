"""The gateway's access log and metrics."""
