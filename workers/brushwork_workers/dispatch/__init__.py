"""Messages: those that the worker publishes from the backlog, and bare ones of other programs."""
