"""Threads that keep a worker honest: heartbeat, watchdogs, reconciler and progress."""
