"""Inpainting with denoisers that were trained for text-to-image only."""
