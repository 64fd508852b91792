"""Handlers of the kinds that pipelines of diffusers serve."""
