"""Scenes of the pocket world: their grammar, their pictures and batches of them."""
