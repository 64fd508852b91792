"""Request bodies, query strings and headers, read into typed values."""
