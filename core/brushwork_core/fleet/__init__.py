"""The worker processes: which are alive, and the signals between running jobs and their callers."""
