"""Pipelines of diffusers outside the seven families, tiny and seeded, and a comparison with diffusers.

`python -m tests.pipelines` runs eight jobs at once of each of them, with different steps, guidance, seeds and
schedulers, and compares each result with the one that the stock pipeline generates alone.
"""
