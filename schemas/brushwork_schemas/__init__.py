"""Messages and values that clients and workers share: kinds, families, requests, results, jobs and errors."""
