"""A2: pictures and archives that are small as files, and cost seconds or gigabytes to read."""

import base64
import io
import threading
import time
from collections.abc import Sequence
from itertools import cycle, islice

import httpx
import pytest
from PIL import Image

from tests.attacks import decoding
from tests.attacks.attack import Attack, Scene, measured
from tests.attacks.attacked import ATTACKER, INNOCENT, Attacked
from tests.attacks.decoding import Cost, cost_of, read_archive, read_picture
from tests.attacks.hostile import archives, jpegs, pngs, rasters
from tests.attacks.hostile.archives import hostile_archives
from tests.attacks.hostile.parts import encoded
from tests.attacks.hostile.pictures import hostile_pictures

CALLERS = 6


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


def test_an_upload_beside_bombs(attacked_gateway: Attacked) -> None:
    """It does not wait for the pictures of another tenant."""
    scene, took = Scene(attacked_gateway, seconds=2.0, scale=1.0), []
    data = encoded("PNG")
    headers = {"Authorization": f"Bearer {attacked_gateway.keys[INNOCENT]}", "Content-Type": "image/png"}
    attack = threading.Thread(target=run, args=(scene,))
    attack.start()
    with httpx.Client(base_url=attacked_gateway.address, headers=headers, timeout=60) as client:
        while attack.is_alive():
            began = time.monotonic()
            assert client.post("/v1/files", content=data).status_code == 201
            took.append(time.monotonic() - began)
    attack.join()
    # One decoder is left for it; without, it waited as long as four of the others take, or 23 s before.
    assert sorted(took)[len(took) // 2] < 2.0


@pytest.mark.parametrize("number", range(0, len(archives.RULES), 5))
def test_some_hostile_archives(number: int) -> None:
    name, data = next(islice(hostile_archives(), number, None))
    assert _missed([cost_of(name, data, read_archive)]) == []


@pytest.mark.parametrize("number", range(7, 115, 12))
def test_some_hostile_pictures(number: int) -> None:
    name, data = next(islice(hostile_pictures(), number, None))
    assert _missed([cost_of(name, data, read_picture)]) == []


def test_some_valid_pictures() -> None:
    assert _missed(list(decoding.costs_of_valid(60, step=5))) == []


def test_a_batch_of_large_pictures(attacked_gateway: Attacked) -> None:
    """Six pictures of 25 megapixels, each a small file: one is stored before the next is read."""
    key = attacked_gateway.keys[ATTACKER]
    requests = []
    for grey in range(6):
        buffer = io.BytesIO()
        Image.new("RGB", (5000, 5000), (grey, grey, grey)).save(buffer, "WEBP", quality=1)
        url = f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
        requests.append({"kind": "image-classification", "image": url})
    answer = httpx.post(
        f"{attacked_gateway.address}/v1/jobs:batch",
        json={"requests": requests},
        headers={"Authorization": f"Bearer {key}"},
        timeout=120,
    )
    assert answer.status_code == 201, answer.text[:500]


def _missed(costs: Sequence[Cost]) -> list[str]:
    return [
        f"{each.name}: {each.cpu_s:.2f} s of {each.allowed_s:.2f} s, {each.outcome}"
        for each in costs
        if not each.holds
    ]
