"""Families that serve image classification."""
