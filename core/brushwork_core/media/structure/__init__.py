"""What decoding a picture will cost, by the structure of its file: counted before a decoder sees it."""
