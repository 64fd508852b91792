"""Families that serve image segmentation."""
