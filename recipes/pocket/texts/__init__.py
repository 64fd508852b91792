"""Words of prompts: grammars as tokens, and the encoders that read them."""
