"""Checkpoints that are one file, and VAEs of one's own: what they have, whether they fit, their modules."""
