"""Pictures, archives and datasets from outside, decoded under limits."""
