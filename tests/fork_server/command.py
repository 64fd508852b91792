"""Runs a command line of brushwork in a forked process."""

from brushwork.cli import main

# In the log of a process that went on after its command had ended.
LINGERED = "what comes after a worker"


def run(arguments: list[str]) -> None:
    """Run `brushwork` with these arguments; what comes after it shows in the log."""
    try:
        main(arguments)
    finally:
        print(LINGERED, flush=True)
