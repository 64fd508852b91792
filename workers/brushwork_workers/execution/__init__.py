"""The execution of one job: the attempt, its context, its outcome."""
