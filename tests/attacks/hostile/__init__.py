"""Hostile pictures and archives, made by rules and a seed."""
