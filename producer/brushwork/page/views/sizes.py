"""Sizes and shares as people read them."""


def in_bytes(size: int) -> str:
    """Such as `1.2 MB`."""
    amount = float(size)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def percent(share: float) -> str:
    """Such as `93 %`; what is small keeps a digit more, and nothing that is there reads as 0."""
    hundredths = share * 100
    if 0 < hundredths < 0.1:
        return "< 0.1 %"
    return f"{hundredths:.1f} %" if hundredths < 10 else f"{hundredths:.0f} %"
