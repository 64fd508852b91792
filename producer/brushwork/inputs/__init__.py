"""Inputs from callers: requests, pictures, data sets and short forms of parameters."""
