"""Batches model calls, not requests: waiting calls of equal shape are stacked, run once, and sliced again.

`scheduler` decides which calls run when, and imports no torch; `arguments` stacks and slices; `batcher` runs
the device thread.
"""
