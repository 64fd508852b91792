"""A2: pictures and archives that are small as files, and cost seconds or gigabytes to read."""

import io
import threading
import time
from functools import cache
from itertools import cycle, islice

import httpx
import pytest
from PIL import Image

from tests.attacks.attack import Attack, Scene, measured
from tests.attacks.attacked import ATTACKER, Attacked
from tests.attacks.decoding import Cost, cost_of, cost_of_valid, read_archive, read_picture
from tests.attacks.hostile import archives, jpegs, pngs, rasters
from tests.attacks.hostile.archives import hostile_archive
from tests.attacks.hostile.parts import encoded
from tests.attacks.hostile.pictures import hostile_picture
from tests.attacks.hostile.valid import valid_picture

CALLERS = 6
# CPU time of the same work is longer beside others, who use the same caches.
BUSY = 3


@cache
def bombs() -> list[bytes]:
    """Pictures of the table of attacks, and the most work that is allowed."""
    buffer = io.BytesIO()
    large = Image.radial_gradient("L").resize((5000, 5000)).convert("RGB")
    large.save(buffer, "WEBP", quality=20, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0")
    return [
        jpegs.scans(4000, 3000),
        jpegs.scans(5000, 25),
        buffer.getvalue(),
        pngs.with_chunks(pngs.chunk(b"prVt", b"") * 1_500_000),
        encoded("JPEG")[:2] + jpegs.segment(0xFE) * 1_500_000 + encoded("JPEG")[2:],
        rasters.bmp(3500, 3500, b"\1\0" * 12_000_000, 1),
    ]


def run(scene: Scene) -> int:
    """Upload bombs from several callers at once, and submit batches of large pictures."""
    files, until = bombs(), time.monotonic() + scene.seconds
    sent = [0] * scene.scaled(CALLERS)

    def call(number: int) -> None:
        headers = {"Authorization": f"Bearer {scene.gateway.keys[ATTACKER]}"}
        with httpx.Client(base_url=scene.gateway.address, headers=headers, timeout=120) as client:
            for data in islice(cycle(files), number, None):
                if time.monotonic() > until:
                    return
                client.post("/v1/files", content=data, headers={"Content-Type": "image/png"})
                sent[number] += len(data)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(len(sent))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(sent)


# The decoders have limits of their own: it is the memory of the gateway itself that may not grow.
ATTACK = Attack("A2", "pictures that cost seconds or gigabytes to decode", run, with_decoders=False)


def test_bombs_cost_little(attacked_gateway: Attacked) -> None:
    found = measured(ATTACK, Scene(attacked_gateway, seconds=1.0, scale=0.5))
    assert found.must_hold == []


@pytest.mark.parametrize("number", range(0, len(archives.RULES), 5))
def test_some_hostile_archives(number: int) -> None:
    assert _missed(cost_of(*hostile_archive(number), read_archive)) == []


@pytest.mark.parametrize("number", range(7, 115, 12))
def test_some_hostile_pictures(number: int) -> None:
    assert _missed(cost_of(*hostile_picture(number), read_picture)) == []


@pytest.mark.parametrize("number", range(1, 40, 4))
def test_some_valid_pictures(number: int) -> None:
    assert _missed(cost_of_valid(valid_picture(number))) == []


def _missed(cost: Cost) -> list[str]:
    # The targets of CPU time are for a machine of its own: `python -m tests.attacks.decoding`.
    is_fine = cost.is_right and cost.outcome != "died" and cost.cpu_s < BUSY * cost.allowed_s
    return [] if is_fine else [f"{cost.name}: {cost.cpu_s:.2f} s of {cost.allowed_s:.2f} s, {cost.outcome}"]
