"""Reads what a file says about its origin. Files are untrusted: decoder processes with limits read them."""
