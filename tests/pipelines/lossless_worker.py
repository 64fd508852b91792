"""Runs a command line of brushwork whose videos are encoded without loss.

The usual encoder keeps other parts of the noise that tiny models make when one value is rounded to the next
level, and hides differences that are smaller than its loss. Without loss, a video shows both as they are.
"""

from brushwork.cli import main
from brushwork_core.provenance.marks import mp4


def encode_without_loss() -> None:
    """Let videos of this process lose only the half of the colours that their format does not store."""
    mp4._OPTIONS["crf"] = "0"


def run(arguments: list[str]) -> None:
    """Run `brushwork` with these arguments."""
    encode_without_loss()
    main(arguments)
