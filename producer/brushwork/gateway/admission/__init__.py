"""What a request must pass before it is handled: connection limits, keys, rates and budgets."""
