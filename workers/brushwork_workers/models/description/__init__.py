"""Descriptions of pipelines of diffusers: what a model can do, found out without its weights."""
