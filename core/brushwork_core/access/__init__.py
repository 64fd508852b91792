"""API keys and what each key has used."""
