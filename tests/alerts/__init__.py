"""Alert rules: each fires in a test, and all are silent in an hour of a calm run that was recorded."""
