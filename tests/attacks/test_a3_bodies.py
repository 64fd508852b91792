"""A3: bodies without a key, or that never end. Each was spooled for as long as its sender liked."""

import time

from tests.attacks.attack import Attack, Scene, measured
from tests.attacks.attacked import ATTACKER, Attacked
from tests.attacks.raw import flooded, head, kept_open

PART = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + b"a" * 2**20
FORM = "Content-Type: multipart/form-data; boundary=x"
ENCODED = "Content-Type: application/x-www-form-urlencoded"


def run(scene: Scene) -> int:
    """Ampersands to the login, multipart bodies that fall silent, and announced gigabytes."""
    gateway, began = scene.gateway, time.monotonic()
    key = gateway.keys[ATTACKER]
    num_sent = 0
    for part, first in enumerate((head(None, ENCODED, "Content-Length: 31000000", path="/login"),), start=1):
        until = began + part * scene.seconds / 2
        num_sent += flooded(gateway, first, b"&" * 65536, until=until, most=scene.scaled(310_000_000))
    bodies = (
        head(None, FORM, "Content-Length: 31000000", path="/login") + PART,
        head(key, "Content-Type: application/zip", f"Content-Length: {2**30}", path="/v1/files") + PART,
        head(key, "Content-Type: application/json", "Content-Length: 31000000") + b" " * 60_000,
    )
    return num_sent + kept_open(
        gateway,
        scene.scaled(300),
        lambda index: bodies[index % len(bodies)],
        until=began + scene.seconds,
    )


ATTACK = Attack("A3", "bodies without a key, and bodies that fall silent", run)


def test_silent_bodies_cost_little(attacked_gateway: Attacked) -> None:
    found = measured(ATTACK, Scene(attacked_gateway, seconds=0.5, scale=0.1))
    assert found.must_hold == []
