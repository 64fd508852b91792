"""Loaded models: which are on the device, which jobs use them, which is loaded next."""
