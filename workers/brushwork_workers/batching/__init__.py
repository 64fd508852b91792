"""Gathers calls, not requests: waiting calls of equal shape are stacked, run once, handed back in slices.

`policy` decides which calls run when, and imports no torch; `arguments` stacks and slices; `batcher` holds
the device thread.
"""
