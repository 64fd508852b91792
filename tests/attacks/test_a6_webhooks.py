"""A6: webhooks to receivers that never answer. Those of another tenant came after 40.9 seconds."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.attacks.attack import Attack, Measured, Scene, goes_on, measured
from tests.attacks.attacked import ATTACKER, INNOCENT, Attacked, Usage
from tests.attacks.innocent import LONGEST_S, Seen
from tests.receivers import SECRET, Receiver

NUM_DEAD = 255
ENVIRONMENT = {"BRUSHWORK_WEBHOOK_SECRET": SECRET, "BRUSHWORK_WEBHOOK_PRIVATE": "true"}


def run(scene: Scene) -> int:
    """End a job for each of 255 receivers that take connections and answer nothing; return the bytes sent."""
    with _silent() as port:
        num_sent = _begin(scene, port)
        time.sleep(scene.seconds)
    return num_sent


def measure(attack: Attack, scene: Scene) -> Measured:
    """Measure the time from the end of a job to its webhook, before and during the attack."""
    gateway = scene.gateway
    with (
        Receiver() as receiver,
        _sender(gateway, scene.scaled(64)) as pid,
        _client(gateway, INNOCENT) as client,
    ):
        calm = _told(client, receiver, scene.seconds)
        with Usage(pid) as usage, _silent() as port:
            num_sent = _begin(scene, port)
            during = _told(client, receiver, scene.seconds)
            grown, cpu_s = usage.grown_bytes, usage.cpu_s
    return Measured(attack, num_sent, grown, cpu_s, calm, during, goes_on=goes_on(gateway))


def _begin(scene: Scene, port: int) -> int:
    with _client(scene.gateway, ATTACKER) as client:
        number = scene.scaled(NUM_DEAD)
        return sum(_end(client, f"http://127.0.0.{index}:{port}/") for index in range(1, number + 1))


def _told(client: httpx.Client, receiver: Receiver, seconds: float) -> Seen:
    seen, until = Seen(), time.monotonic() + seconds
    while time.monotonic() < until:
        number, began = len(receiver.heard), time.monotonic()
        _end(client, receiver.url)
        while len(receiver.heard) == number and time.monotonic() - began < LONGEST_S:
            time.sleep(0.002)
        if len(receiver.heard) == number:
            seen.failures.append(f"no webhook within {LONGEST_S} s")
        else:
            seen.took_s.append(time.monotonic() - began)
    return seen


def _end(client: httpx.Client, url: str) -> int:
    """Submit and cancel a job; return the bytes sent."""
    sent = client.post(
        "/v1/jobs", json={"kind": "text-to-image", "prompt": "a red circle", "webhook_url": url}
    ).raise_for_status()
    client.post(f"/v1/jobs/{sent.json()['id']}/cancel").raise_for_status()
    return len(sent.request.content)


def _client(gateway: Attacked, tenant: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {gateway.keys[tenant]}"}
    return httpx.Client(base_url=gateway.address, headers=headers, timeout=LONGEST_S)


@contextmanager
def _silent() -> Iterator[int]:
    """A port of all loopback addresses: each is a receiver that takes connections and never answers."""
    with socket.create_server(("0.0.0.0", 0), backlog=512) as silent:  # noqa: S104
        yield silent.getsockname()[1]


@contextmanager
def _sender(gateway: Attacked, num_places: int) -> Iterator[int]:
    process = subprocess.Popen(
        gateway.argv("webhooks", "send", "--receivers", str(num_places)),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert "Ready" in process.stderr.readline()
        yield process.pid
    finally:
        process.terminate()
        process.communicate(timeout=60)


ATTACK = Attack("A6", "255 webhooks to receivers that never answer", run, ENVIRONMENT, measure=measure)


def test_dead_receivers_keep_no_webhook_back(attacked_gateway: Attacked) -> None:
    found = measured(ATTACK, Scene(attacked_gateway, seconds=0.5, scale=0.1))
    assert found.must_hold == []
    # A dead receiver is given up after 15 seconds, and 26 of them took five rounds of that.
    assert found.during.p99_s < 7.5
