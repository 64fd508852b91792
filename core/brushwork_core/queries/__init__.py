"""Read-only queries: jobs, queues, estimates and totals."""
