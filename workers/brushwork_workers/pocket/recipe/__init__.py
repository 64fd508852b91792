"""The recipe: one module for each part that is trained, run by `python -m brushwork_workers.pocket.train`."""
