"""Pictures are decoded in child processes: limited, replaced when they die, and used by tenants in turns."""

import platform
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from brushwork_core.media import pictures
from brushwork_core.media.decoders import decoder_process, pool, tasks
from brushwork_core.media.decoders.current import current_decoder, on_behalf_of
from brushwork_core.media.decoders.decoder import Decoder, InProcess
from brushwork_core.media.decoders.pool import DecoderPool, decoder_of
from brushwork_core.media.pictures import Reading
from brushwork_core.shares.fair_share import FairShare
from brushwork_schemas.errors import InvalidDataset, InvalidImage, ServiceUnreachable
from brushwork_schemas.wording.translation import translated

from tests.archives import folders, tarred, zipped
from tests.attacks.hostile.parts import encoded
from tests.servers import wait_until as until

MASK = Reading("mask_image", "black")


@pytest.fixture(scope="module")
def decoders() -> Iterator[DecoderPool]:
    opened = DecoderPool(2)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def bad_decoders() -> Iterator[DecoderPool]:
    """Decoders that do what a file says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            decoder_process,
            "_CODE",
            "import sys; sys.path[:] = sys.argv[1:-1]; import tests.bad_decoder_tasks; "
            "from brushwork_core.media.decoders.program import main; main()",
        )
        opened = DecoderPool(1)
        yield opened
        opened.close()


FILES = {
    "PNG": encoded("PNG", (30, 20)),
    "PNG with transparency": encoded("PNG", (30, 20), "RGBA"),
    "JPEG": encoded("JPEG", (30, 20)),
    "WebP": encoded("WEBP", (30, 20)),
    "CMYK": encoded("TIFF", (30, 20), "CMYK"),
    "grey": encoded("PNG", (30, 20), "L"),
}


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
@pytest.mark.parametrize("background", ["white", "black", None])
def test_the_result_is_that_of_decoding_here(
    decoders: DecoderPool, data: bytes, background: pictures.Background | None
) -> None:
    reading, here = Reading("image", background), InProcess()
    assert decoders.cleaned(data, reading) == here.cleaned(data, reading)
    found, right = decoders.decoded(data, reading), here.decoded(data, reading)
    assert (found.mode, found.size, found.tobytes()) == (right.mode, right.size, right.tobytes())


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_memory_of_a_picture_serves_the_next_one(decoders: DecoderPool) -> None:
    """To get it from the system for each picture took half as long as to decode one of 512 x 512 pixels."""
    data, reading = encoded("PNG", (512, 512)), Reading()

    def faults() -> int:
        guards = psutil.Process().children()
        children = [each for guard in guards for each in guard.children()]
        return sum(
            int(Path(f"/proc/{each.pid}/stat").read_text().rsplit(")")[1].split()[7]) for each in children
        )

    for _ in range(4):
        decoders.decoded(data, reading)
    before = faults()
    for _ in range(10):
        decoders.decoded(data, reading)
    assert faults() - before < 10 * 100


def test_thumbnails(decoders: DecoderPool) -> None:
    data = encoded("PNG", (900, 300))
    assert decoders.thumbnail(data, 300) == InProcess().thumbnail(data, 300)
    assert pictures.decode(decoders.thumbnail(data, 300)).size == (300, 100)


@pytest.mark.parametrize("data", [b"", b"no picture", FILES["PNG"][:50], encoded("PNG", (5001, 5001))])
def test_an_error_is_that_of_decoding_here(decoders: DecoderPool, data: bytes) -> None:
    errors = []
    for decoder in (decoders, InProcess()):
        with pytest.raises(InvalidImage) as raised:
            decoder.cleaned(data, MASK)
        errors.append(raised.value)
    one, other = errors
    assert (one.field, str(one), one.code) == (other.field, str(other), other.code)
    assert translated(one.message, "zh") == translated(other.message, "zh") != one.message


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (b"spin::", "more time to decode"),
        (b"eat::", "more than 1280 MiB of memory"),
        (b"abort::", "ends the program that decodes it"),
        (b"segfault::", "ends the program that decodes it"),
    ],
)
def test_a_picture_that_ends_its_decoder_is_refused(
    bad_decoders: DecoderPool, wrong: bytes, reason: str
) -> None:
    with pytest.raises(InvalidImage, match=rf"^mask_image: .*{reason}") as raised:
        bad_decoders.cleaned(wrong + FILES["PNG"], MASK)
    assert (raised.value.field, raised.value.fault) == ("mask_image", "caller")
    assert bad_decoders.cleaned(FILES["PNG"], MASK)


def test_a_decoder_that_somebody_ends_is_no_fault_of_the_picture(
    bad_decoders: DecoderPool, tmp_path: Path
) -> None:
    wrong = b"kill once:" + str(tmp_path / "killed").encode() + b":"
    assert bad_decoders.decoded(wrong + FILES["PNG"], MASK).size == (30, 20)
    assert (tmp_path / "killed").exists()


def test_a_decoder_that_is_always_ended_is_the_fault_of_the_machine(
    bad_decoders: DecoderPool,
) -> None:
    with pytest.raises(ServiceUnreachable, match="again and again"):
        bad_decoders.cleaned(b"kill::" + FILES["PNG"], MASK)
    assert bad_decoders.cleaned(FILES["PNG"], MASK)


@pytest.mark.parametrize("depth", [1, 2])
def test_guard_and_child_are_replaced_when_they_are_killed(
    bad_decoders: DecoderPool, tmp_path: Path, depth: int
) -> None:
    task = b"wait:" + str(tmp_path).encode() + b":" + FILES["PNG"]
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(bad_decoders.cleaned, task, MASK)
        (process,) = bad_decoders._all
        until(lambda: (tmp_path / "begun").exists())
        assert process._process is not None
        guard = psutil.Process(process._process.pid)
        (guard if depth == 1 else guard.children()[0]).kill()
        (tmp_path / "go").touch()
        assert running.result(60) == InProcess().cleaned(FILES["PNG"], MASK)


def test_a_task_that_takes_as_long_as_it_may_is_not_counted_by_the_clock(
    bad_decoders: DecoderPool, tmp_path: Path
) -> None:
    """A decoder that waits, as on a busy machine, has used no CPU time."""
    task = b"wait:" + str(tmp_path).encode() + b":" + FILES["PNG"]
    timer = threading.Timer(1.0, (tmp_path / "go").touch)
    timer.start()
    assert bad_decoders.cleaned(task, MASK)
    timer.join()


class Recorded:
    """A process that performs nothing, and notes for whom."""

    def __init__(self) -> None:
        self.gate, self.order = threading.Event(), []  # type: ignore[var-annotated]

    def perform(self, task: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        self.gate.wait(30)
        self.order.append(data.decode())
        return {"is_kept": True}, b""

    def close(self) -> None: ...


def test_tenants_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    process = Recorded()
    monkeypatch.setattr(pool, "DecoderProcess", lambda: process)
    one = DecoderPool(1)

    def ask(name: str) -> None:
        with on_behalf_of(name[0]):
            one.cleaned(name.encode(), MASK)

    with ThreadPoolExecutor(10) as threads:
        asked = [threads.submit(ask, "a0")]
        for number, name in enumerate(["a1", "a2", "a3", "b1", "b2", "c1"], 1):
            asked.append(threads.submit(ask, name))
            until(lambda number=number: len(one._turns) == number)  # type: ignore[misc]
        process.gate.set()
        for each in asked:
            each.result(30)
    assert process.order == ["a0", "a1", "b1", "c1", "a2", "b2", "a3"]


def test_no_tenant_holds_all_decoders(monkeypatch: pytest.MonkeyPatch) -> None:
    processes: list[Recorded] = []

    def made() -> Recorded:
        processes.append(Recorded())
        return processes[-1]

    monkeypatch.setattr(pool, "DecoderProcess", made)
    three = DecoderPool(3)

    def ask(tenant: str) -> bytes:
        with on_behalf_of(tenant):
            return three.cleaned(tenant.encode(), MASK)

    with ThreadPoolExecutor(10) as threads:
        greedy = [threads.submit(ask, "greedy") for _ in range(6)]
        until(lambda: len(three._turns) == 4)
        # The last idle one is for whoever comes next.
        (idle,) = three._idle
        idle.gate.set()  # type: ignore[attr-defined]
        assert threads.submit(ask, "other").result(30) == b"other"
        for process in processes:
            process.gate.set()
        assert [each.result(30) for each in greedy] == [b"greedy"] * 6


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_data_sets_are_checked_in_a_decoder(decoders: DecoderPool, pack: Any) -> None:
    decoders.check_dataset(pack(folders("cat", "dog")))
    with pytest.raises(InvalidDataset, match="the data set has 1 class") as raised:
        decoders.check_dataset(pack(folders("cat")))
    assert raised.value.field == "dataset"


def test_a_process_shares_one_pool_of_a_size() -> None:
    assert isinstance(decoder_of(0), InProcess)
    assert decoder_of(1) is decoder_of(1)


def test_who_decodes_is_known_in_a_call_only() -> None:
    decoder: Decoder = InProcess()
    with on_behalf_of("a", decoder):
        assert current_decoder() is decoder
    assert current_decoder() is not decoder


def test_a_waiter_is_asked_only_when_a_process_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each job of a worker is a tenant here. Everyone who came asked for all who waited."""
    asked: list[object] = []
    taken = FairShare.take

    def take(share: FairShare, tenant: object, amount: int = 1) -> bool:
        asked.append(tenant)
        return taken(share, tenant, amount)

    monkeypatch.setattr(FairShare, "take", take)
    number, chosen = 64, DecoderPool(2)
    try:
        with ThreadPoolExecutor(number) as threads:

            def one(index: int) -> None:
                with on_behalf_of(f"job-{index}"):
                    chosen.thumbnail(FILES["PNG"], 8)

            list(threads.map(one, range(number)))
    finally:
        chosen.close()
    assert len(asked) < 3 * number


def test_a_decoder_stands_back_behind_other_processes(decoders: DecoderPool) -> None:
    decoders.cleaned(FILES["PNG"], MASK)
    # This process may have other children, such as the servers of other tests.
    guards = [each for each in psutil.Process().children() if "media.decoders" in " ".join(each.cmdline())]
    children = [each for guard in guards for each in guard.children()]
    own = psutil.Process().nice()
    assert children
    assert {each.nice() for each in children} == {own + tasks.NICENESS}
    # The guard forks the next child, which would stand back twice if the guard did so itself.
    assert {each.nice() for each in guards} == {own}
