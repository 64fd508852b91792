"""Marks of a picture's file: labels in its metadata, and the parameters that made it."""
