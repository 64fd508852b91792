"""The training loop of all parts: time budget, processes, checkpoints and learning curves."""
