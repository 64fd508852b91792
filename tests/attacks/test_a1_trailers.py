"""A1: trailers without end, without a key. All were kept, and one endless line took quadratic time."""

import time

from tests.attacks.attack import Attack, Scene, measured
from tests.attacks.attacked import Attacked
from tests.attacks.raw import flooded, head

FIRST = head(None, "Content-Type: application/json", "Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n"
LINES = b"".join(b"X-Trailer-%d: %s\r\n" % (number, b"a" * 80) for number in range(640))
ONE_LINE = b"a" * 65536


def run(scene: Scene) -> int:
    """Send 400 MB of trailer lines, then 60 MB of one line, or as much as fits into the time."""
    half = time.monotonic() + scene.seconds / 2
    lines = flooded(scene.gateway, FIRST, LINES, until=half, most=scene.scaled(400_000_000))
    line = flooded(
        scene.gateway,
        FIRST + b"X: ",
        ONE_LINE,
        until=half + scene.seconds / 2,
        most=scene.scaled(60_000_000),
    )
    return lines + line


ATTACK = Attack("A1", "trailers without end, without a key", run)


def test_trailers_without_end_cost_little(attacked_gateway: Attacked) -> None:
    found = measured(ATTACK, Scene(attacked_gateway, seconds=0.5, scale=0.1))
    assert found.must_hold == []
    assert found.num_bytes > 2**20
