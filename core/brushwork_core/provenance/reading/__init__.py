"""Reads what a file says about its origin. The files are untrusted: decoder processes with limits read them."""
