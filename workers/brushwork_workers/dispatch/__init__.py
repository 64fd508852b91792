"""How jobs reach a worker: from the ledger and from bare Celery messages."""
