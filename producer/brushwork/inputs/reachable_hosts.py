"""Which hosts may be reached at an address that a caller has given, whether it is a picture's or a webhook's.

ssrfguard resolves a name once, checks every IP address that it stands for, and connects to the checked
address. This module adds what its table leaves open. `tests/unit/test_hostile_addresses.py` holds both.
"""

from ipaddress import IPv4Network, IPv6Network, ip_network

from ssrfguard import DEFAULT_DENIED, AddressTable, Block, Policy, Reach


def _block(network: str, name: str, reach: Reach = Reach.DENIED, rfc: str = "none") -> Block:
    return Block(ip_network(network), name, rfc, reach)


# The most specific block decides.
PUBLIC_TABLE = AddressTable(
    (
        *DEFAULT_DENIED.blocks,
        # Of IPv6, only 2000::/3 is given to hosts of the internet (RFC 4291, section 2.4). The rest is denied
        # as a whole, also what no registry lists: such as what a translator turns into IPv4 (RFC 2765).
        _block("::/0", "not Global Unicast", rfc="RFC4291"),
        _block("2000::/3", "Global Unicast", Reach.PERMITTED, "RFC4291"),
        # Azure's platform services, at an address that counts as public, for every machine at Azure.
        _block("168.63.129.16/32", "Azure platform services"),
    )
)
"""Allows hosts of the internet."""
PUBLIC_HOSTS = Policy(denied_networks=PUBLIC_TABLE)
"""Hosts of the internet, on the ports of http and https."""

# In these are services of clouds that have credentials of the machine: fd00:ec2::254 and ::23 (Amazon),
# fd20:ce::254 (Google), fd00:c1::a9fe:a9fe (Oracle), fd00:42::42 (Scaleway), fd00:a9fe:a9fe::1 (Akamai) and
# fd00:100::100:200 (Alibaba). They stay forbidden where private networks are allowed.
_OF_CLOUDS = tuple(
    IPv6Network(f"{prefix}::/32")
    for prefix in ("fd00:ec2", "fd20:ce", "fd00:c1", "fd00:42", "fd00:a9fe", "fd00:100")
)


def _without(whole: IPv6Network, holes: tuple[IPv6Network, ...]) -> tuple[IPv6Network, ...]:
    parts = [whole]
    for hole in holes:
        [around] = [part for part in parts if hole.subnet_of(part)]
        parts.remove(around)
        parts.extend(around.address_exclude(hole))
    return tuple(parts)


INNER_NETWORKS: tuple[IPv4Network | IPv6Network, ...] = (
    *map(IPv4Network, ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")),
    IPv6Network("::1/128"),
    *_without(IPv6Network("fc00::/7"), _OF_CLOUDS),
)
"""Loopback and private networks, without the services of clouds in them."""
