"""Jobs as HTTP shows them, and the events of jobs."""
