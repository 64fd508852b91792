"""Everything on one machine: Redis, a ledger, a folder, a worker and Flower, kept running by one process."""
