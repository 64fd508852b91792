"""Texts that readers of several languages meet: templates with parameters, and their translations."""
