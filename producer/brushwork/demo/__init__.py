"""A demonstration: pictures are made from prompts, then described, classified and segmented."""
