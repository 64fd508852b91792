"""The audit log: who did what to keys, jobs and files of whom, when and from where."""
