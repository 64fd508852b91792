"""Checks what a kind of a plug-in gives, before anything relies on it."""
