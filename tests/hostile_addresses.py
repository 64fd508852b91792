"""Addresses that callers must not make us open; a resolver of our own; and a record of all connections."""

import re
import socket
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

# Hosts as they stand in a URL. What is a name here is resolved by the C library alone, without any DNS.
SPELLINGS: dict[str, tuple[str, ...]] = {
    "loopback": (
        "127.0.0.1",
        "127.255.255.254",
        "127.0.0.53",
        "localhost",
        "LOCALHOST",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
    ),
    "this host": ("0.0.0.0", "0.1.2.3", "[::]", "[0::0]"),  # noqa: S104
    "decimal": ("2130706433", "2852039166", "3232235521", "017700000001"),
    "octal": ("0177.0.0.1", "0177.0.0.01", "00000177.0.0.1", "0251.0376.0251.0376", "0300.0250.0.1"),
    "hexadecimal": (
        "0x7f000001",
        "0x7f.0.0.1",
        "0x7f.0x0.0x0.0x1",
        "0xa9fea9fe",
        "0xA9.0xFE.0xA9.0xFE",
        "0xc0a80001",
    ),
    "short": ("127.1", "127.0.1", "10.1", "192.168.1", "0", "0x7f.1", "169.254.43518"),
    "too long": ("127.0.0.1.1", "256.256.256.256", "4294967296", "0x1007f000001"),
    "private": (
        "10.0.0.1",
        "10.255.255.255",
        "172.16.0.1",
        "172.31.255.254",
        "192.168.0.1",
        "192.168.255.255",
        "[fc00::1]",
        "[fd00::1]",
        "[fdff:ffff::1]",
    ),
    "shared": ("100.64.0.1", "100.127.255.254"),
    "link-local": ("169.254.0.1", "169.254.255.254", "[fe80::1]", "[febf::1]", "[fec0::1]"),
    "metadata": (
        "169.254.169.254",
        "169.254.170.2",
        "169.254.42.42",
        "169.254.0.23",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "[fd00:ec2::254]",
        "[fd00:ec2::23]",
        "[fd20:ce::254]",
        "[fd00:c1::a9fe:a9fe]",
        "[fd00:42::42]",
        "[fd00:a9fe:a9fe::1]",
        "[fd00:100::100:200]",
        "[fe80::a9fe:a9fe]",
    ),
    "mapped": (
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::FFFF:A9FE:A9FE]",
        "[::ffff:10.0.0.1]",
        "[::ffff:168.63.129.16]",
        "[0:0:0:0:0:ffff:7f00:1]",
        "[::ffff:0.0.0.0]",
    ),
    "compatible": ("[::127.0.0.1]", "[::a9fe:a9fe]", "[::10.0.0.1]"),
    "translated": ("[::ffff:0:127.0.0.1]", "[::ffff:0:a9fe:a9fe]"),
    "NAT64": (
        "[64:ff9b::7f00:1]",
        "[64:ff9b::169.254.169.254]",
        "[64:ff9b::a83f:8110]",
        "[64:ff9b:1::7f00:1]",
    ),
    "6to4": ("[2002:7f00:1::]", "[2002:a9fe:a9fe::1]", "[2002:a00:1::1]", "[2002:a83f:8110::]"),
    "Teredo": ("[2001:0:7f00:1::1]", "[2001:0:808:808:0:0:80ff:fffe]", "[2001:0:808:808::5601:5601]"),
    "not given": (
        "[100::1]",
        "[200::1]",
        "[4000::1]",
        "[5f00::1]",
        "[64:ff9b:2::1]",
        "[2001:db8::1]",
        "[3fff::1]",
    ),
    "multicast": ("224.0.0.1", "239.255.255.250", "255.255.255.255", "240.0.0.1", "[ff02::1]", "[ff0e::1]"),
    "reserved": (
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "192.88.99.1",
        "192.0.0.1",
        "192.0.0.170",
    ),
    "zone": ("[fe80::1%25lo]", "[fe80::1%lo]", "[::1%25lo]", "[fe80::1%251]"),
    "trailing dots": (
        "127.0.0.1.",
        "localhost.",
        "localhost..",
        "169.254.169.254.",
        "10.0.0.1.",
        "2130706433.",
    ),
    "other digits": (
        "\uff11\uff12\uff17.0.0.1",
        "127\u30020\u30020\u30021",
        "\u2460\u2461\u2466.0.0.1",
        "127\uff0e0\uff0e0\uff0e1",
        "\u0661\u0662\u0667.0.0.1",
        "\U0001d7cf\U0001d7d0\U0001d7d5.0.0.1",
    ),
    "other letters": (
        "\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3",
        "\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54",
    ),
    "user name": (
        "public.example@127.0.0.1",
        "public.example:80@127.0.0.1",
        "a:b@[::1]",
        "public.example%40@127.0.0.1",
    ),
    "percent": (
        "%31%32%37.0.0.1",
        "127%2e0%2e0%2e1",
        "127.0.0.1%00.public.example",
        "localhost%23.public.example",
    ),
    "signs": (
        "127.0.0.1\\@public.example",
        "public.example\\@127.0.0.1",
        "127.0.0.1\t",
        "127.0.0.1\r\n",
        " 127.0.0.1",
        "public.example#@127.0.0.1",
        "[127.0.0.1]",
        "[::ffff:127.0.0.1",
        "127.0.0.1:80:80",
    ),
    "ports": (
        "public.example:0",
        "public.example:22",
        "public.example:25",
        "public.example:65536",
        "public.example:-1",
        "public.example:6379x",
        "public.example:\uff18\uff10",
    ),
}
# Names, with what a resolver answers for them at each lookup.
ANSWERS: dict[str, tuple[str, ...]] = {
    "loopback.example": ("127.0.0.1",),
    "loopback6.example": ("::1",),
    "mapped.example": ("::ffff:127.0.0.1",),
    "nat64.example": ("64:ff9b::7f00:1",),
    "metadata.google.internal": ("169.254.169.254",),
    "private.example": ("10.1.2.3", "10.1.2.4"),
    "mixed.example": ("198.41.0.4", "127.0.0.1"),
    "mixed-last.example": ("198.41.0.4", "199.9.14.201", "169.254.169.254"),
    "mixed-first.example": ("192.168.1.1", "198.41.0.4"),
    "mixed6.example": ("198.41.0.4", "fd00:ec2::254"),
    "zone.example": ("fe80::1%lo",),
}
PUBLIC = (
    "8.8.8.8",
    "198.41.0.4",
    "1.1.1.1",
    "172.32.0.1",
    "100.128.0.1",
    "169.253.255.255",
    "192.0.0.9",
    "223.255.255.255",
    "2001:4860:4860::8888",
    "2a00:1450:4001::1",
    "2620:fe::fe",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
)
# What the C library takes for an address although it is none by the rules of URLs.
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+)){0,3}", re.IGNORECASE)
_real_getaddrinfo = socket.getaddrinfo


class Resolver:
    """Stands for `socket.getaddrinfo`. Each lookup of a name gets the next of its answers.

    Args:
        answers: For each name, what its lookups get, one after the other.
    """

    def __init__(self, answers: dict[str, Sequence[Sequence[str]]]) -> None:
        self._answers = answers
        self.lookups: dict[str, int] = defaultdict(int)

    def __call__(self, host: Any, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
        name = host.decode() if isinstance(host, bytes) else str(host)
        if name not in self._answers:
            return self._without_network(name, port, *args, **kwargs)
        turn = min(self.lookups[name], len(self._answers[name]) - 1)
        self.lookups[name] += 1
        found = (_real_getaddrinfo(address, port, *args, **kwargs) for address in self._answers[name][turn])
        return list(chain.from_iterable(found))

    @staticmethod
    def _without_network(name: str, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
        plain = name.rstrip(".").lower()
        if plain == "localhost" or ":" in name or _NUMBER.fullmatch(plain):
            return list(_real_getaddrinfo(name, port, *args, **kwargs))
        raise socket.gaierror(socket.EAI_NONAME, f"{name} is not known to this test")


_records: list[list[str]] = []


def _note(event: str, args: tuple[Any, ...]) -> None:
    if event == "socket.connect" and _records and isinstance(args[1], tuple):
        for record in _records:
            record.append(str(args[1][0]))


sys.addaudithook(_note)


@contextmanager
def connections() -> Iterator[list[str]]:
    """The addresses to which this process tries to connect, noted by the interpreter itself."""
    record: list[str] = []
    _records.append(record)
    try:
        yield record
    finally:
        _records.remove(record)
