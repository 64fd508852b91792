"""Text and tables of jobs, results and workers for a terminal."""
