"""Logs, and metrics that processes report."""
