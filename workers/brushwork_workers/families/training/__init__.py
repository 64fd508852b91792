"""Models trained on a caller's pictures."""
