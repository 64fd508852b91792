"""Families of models: what each family accepts, and which function loads it."""
