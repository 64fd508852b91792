"""Families that serve generation with the diffusion pipelines of diffusers."""
