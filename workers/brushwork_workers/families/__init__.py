"""Model families: one folder for each group of families that share code."""
