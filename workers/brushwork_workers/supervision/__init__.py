"""Threads that supervise a worker: heartbeat, watchdogs, reconciler and progress reports."""
