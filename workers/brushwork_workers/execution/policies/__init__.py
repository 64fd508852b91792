"""Policies in a worker: about requests before the first model call, and about results before the end."""
