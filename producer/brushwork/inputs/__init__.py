"""Inputs from callers: pictures, datasets and short forms of parameters."""
