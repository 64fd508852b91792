"""Types of arguments and results for type checkers. The files of the kinds are generated from the kinds."""
