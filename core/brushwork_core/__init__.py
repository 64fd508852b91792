"""Storage and queueing for clients, gateways and workers: database, ledger, queue, files, settings."""
