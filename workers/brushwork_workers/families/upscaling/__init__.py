"""Families that serve image upscaling."""
