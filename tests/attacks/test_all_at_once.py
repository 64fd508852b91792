"""Unfinished heads, silent bodies and event streams at once: an innocent caller still submits and reads."""

import time

import httpx
from brushwork.gateway.connections.limits import affordable

from tests.attacks.attack import Attack, Scene, measured
from tests.attacks.attacked import ATTACKER, INNOCENT, Attacked
from tests.attacks.raw import head, kept_open

HEADS, BODIES, STREAMS = 2000, 500, 300


def run(scene: Scene) -> int:
    """Hold 2,000 unfinished heads, 500 silent bodies and 300 event streams of two tenants."""
    gateway = scene.gateway
    heads, bodies, streams = map(scene.scaled, (HEADS, BODIES, STREAMS))
    # Both ends of the connections of an attacker are files.
    affordable(heads + bodies + streams + 200)
    half = b"GET /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "
    body = head(gateway.keys[ATTACKER], "Content-Type: application/json", "Content-Length: 30000") + b" "
    follows = [_stream(gateway, name) for name in (ATTACKER, INNOCENT)]

    def first(index: int) -> bytes:
        # The streams are opened first, while there is room for all.
        if index < streams:
            return follows[index % 2]
        return body if index < streams + bodies else half

    return kept_open(gateway, heads + bodies + streams, first, until=time.monotonic() + scene.seconds)


def _stream(gateway: Attacked, tenant: str) -> bytes:
    key = gateway.keys[tenant]
    job = {"kind": "text-to-image", "prompt": "a red circle"}
    headers = {"Authorization": f"Bearer {key}"}
    sent = httpx.post(f"{gateway.address}/v1/jobs", json=job, headers=headers, timeout=60)
    return head(key, path=f"/v1/jobs/{sent.raise_for_status().json()['id']}/events", method="GET")


ATTACK = Attack("all", "2,000 unfinished heads, 500 silent bodies and 300 event streams at once", run)


def test_all_at_once_keep_nobody_out(attacked_gateway: Attacked) -> None:
    found = measured(ATTACK, Scene(attacked_gateway, seconds=0.5, scale=0.1))
    assert found.must_hold == []
