"""Running one job: the attempt, its context, its result."""
