"""Families that serve image-to-text."""
