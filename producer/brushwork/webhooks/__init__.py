"""The webhook sender: a process that delivers the events of jobs to receivers."""
