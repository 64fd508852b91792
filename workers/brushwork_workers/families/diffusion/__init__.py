"""Pictures made step by step, by pipelines of diffusers."""
