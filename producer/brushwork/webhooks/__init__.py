"""The sender of webhooks: a process of its own that tells receivers of jobs that have ended."""
