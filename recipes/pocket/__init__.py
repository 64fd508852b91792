"""The training recipe of the pocket models. Run it with `python -m recipes.pocket.train`."""
