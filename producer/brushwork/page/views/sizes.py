"""Sizes of files as text."""


def in_bytes(size: int) -> str:
    """Return a number of bytes as text, such as `1.2 MB`."""
    amount = float(size)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def in_digits(value: float) -> str:
    """Return a value with three digits, such as `0.912`."""
    return f"{value:.3g}"
