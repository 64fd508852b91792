"""Time: timestamps of the database, pauses that double, and loops that poll."""
