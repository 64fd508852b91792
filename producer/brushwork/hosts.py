"""Names of this machine that lead nowhere else."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether only this machine is reached by that name or address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
