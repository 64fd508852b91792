"""The recipe: one module for each part that is trained, run by `python -m recipes.pocket.train`."""
