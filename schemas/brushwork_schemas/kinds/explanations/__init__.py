"""Explanations: what a request asks for, how many extra calls it takes, and what a result contains."""
