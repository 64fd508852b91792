"""How jobs, results and workers are printed."""
