"""A demonstration: pictures made from prompts, and read again by the other models."""
