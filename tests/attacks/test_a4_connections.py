"""A4: unfinished heads, more than there are files to open. Nobody else could connect."""

import time

from tests.attacks.attack import Attack, Scene, measured
from tests.attacks.attacked import Attacked
from tests.attacks.raw import kept_open


def run(scene: Scene) -> int:
    """Hold 1000 connections with half a head, and open new ones where the gateway closes."""
    half = b"GET /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "
    until = time.monotonic() + scene.seconds
    return kept_open(scene.gateway, scene.scaled(1000), lambda _: half, until=until)


ATTACK = Attack("A4", "1000 unfinished heads, 256 files", run, max_files=256)


def test_unfinished_heads_keep_nobody_out(attacked_gateway: Attacked) -> None:
    found = measured(ATTACK, Scene(attacked_gateway, seconds=0.5, scale=0.4))
    assert found.must_hold == []
    assert "connections were ended" in attacked_gateway.log.read_text()
