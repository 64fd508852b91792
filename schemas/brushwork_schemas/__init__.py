"""What producers and workers agree on: requests, results, states, errors, tables, the ledger."""
