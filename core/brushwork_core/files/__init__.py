"""Stored files: the artifact store, the files of tenants and models, and how long files are kept."""
