"""`brushwork demo`."""


def demo() -> None:
    """Run a demonstration."""
