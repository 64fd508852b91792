"""Loaded models: which are on the device, who uses them, which comes next."""
