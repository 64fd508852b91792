"""Videos by the pipelines of diffusers: arguments, progress and the handlers of two kinds."""
