"""Families that serve training jobs."""
