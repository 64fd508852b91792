"""The command line over a real ledger, with no Redis and no worker: output, exit status, errors."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from brushwork.cli import main
from brushwork.client import Client
from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.fleet.job_signals import JobSignals, ProgressReport
from brushwork_core.fleet.process_liveness import here, started_at
from brushwork_core.fleet.worker_registry import WorkerRegistry
from brushwork_core.ledger import Ledger
from brushwork_schemas.job import JobError, Progress
from brushwork_schemas.kinds.generation.text_to_image import TextToImageResult
from brushwork_schemas.kinds.result import Provenance, Timings
from brushwork_schemas.preview import Preview
from brushwork_schemas.worker import WorkerEntry
from PIL import Image

from tests.servers import free_port

Service = Database


@dataclass(frozen=True)
class Answer:
    status: int
    out: str
    err: str


@pytest.fixture
def service(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A ledger that the environment names; its Redis is down."""
    monkeypatch.setenv("BRUSHWORK_DATABASE_URL", sqlite_url)
    monkeypatch.setenv("BRUSHWORK_ARTIFACTS_URL", str(tmp_path / "artifacts"))
    monkeypatch.setenv("BRUSHWORK_REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    return Database(sqlite_url)


@pytest.fixture
def brushwork(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Runs a command line in this process."""

    def run(*arguments: str) -> Answer:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        captured = capsys.readouterr()
        return Answer(int(ended.value.code or 0), captured.out, captured.err)

    return run


Command = Callable[..., Answer]


def finish(database: Database, job_id: str, store: ArtifactStore | None = None) -> None:
    """End a job as a worker would: with a picture, or without a store as failed."""
    ledger = Ledger(database)
    claim = ledger.claim(job_id, "worker-1")
    assert claim is not None
    if store is None:
        ledger.fail(job_id, claim.fence, JobError(code="out_of_memory", message="Full.", fault="machine"))
        return
    result = TextToImageResult(images=(picture(store),), seed=7, seeds=(7,), provenance=PROVENANCE)
    ledger.complete(job_id, claim.fence, result.model_dump(mode="json"), result.images)


PROVENANCE = Provenance(
    model="pocket-diffusion",
    model_revision="0",
    versions={},
    device="cpu",
    dtype="float32",
    worker="worker-1",
    attempt=1,
    timings=Timings(queued_s=0.1, loading_s=0.2, running_s=0.3),
)


def picture(store: ArtifactStore):  # type: ignore[no-untyped-def]
    file = Path(os.environ["BRUSHWORK_DATA"]).with_name("picture.png")
    Image.new("RGB", (64, 64), (220, 40, 40)).save(file)
    return store.put_picture(file.read_bytes())


def test_submit_prints_only_the_id_and_jobs_lists_it(service: Database, brushwork: Command) -> None:
    submitted = brushwork("submit", "text-to-image", "a red circle", "seed=7")
    job_id = submitted.out.strip()
    assert (submitted.status, len(job_id)) == (0, 36)
    assert job_id in brushwork("jobs").out
    listed = json.loads(brushwork("jobs", "--json", "--kind", "text-to-image", "--state", "queued").out)
    assert [(job["id"], job["request"]["seed"]) for job in listed] == [(job_id, 7)]
    assert json.loads(brushwork("jobs", "--json", "--state", "failed").out) == []


def test_a_finished_job_is_shown_and_its_pictures_saved(
    service: Database, brushwork: Command, tmp_path: Path
) -> None:
    job_id = brushwork("submit", "text-to-image", "a red circle").out.strip()
    finish(service, job_id, ArtifactStore(str(tmp_path / "artifacts")))
    shown = brushwork("show", job_id, "--save", str(tmp_path / "saved"))
    assert shown.status == 0
    assert "a red circle" in shown.out
    assert "64x64, seed 7" in shown.out
    with Image.open(tmp_path / "saved" / f"{job_id}-0.png") as saved:
        assert saved.getpixel((5, 5)) == (220, 40, 40)
    waited = brushwork("wait", job_id, "--json")
    assert (waited.status, json.loads(waited.out)["state"]) == (0, "succeeded")


def test_pictures_that_can_not_be_saved_end_with_status_2(
    service: Database, brushwork: Command, tmp_path: Path
) -> None:
    job_id = brushwork("submit", "text-to-image", "a red circle").out.strip()
    finish(service, job_id, ArtifactStore(str(tmp_path / "artifacts")))
    (tmp_path / "file").write_text("")
    assert brushwork("show", job_id, "--save", str(tmp_path / "file")).status == 2


def test_a_failed_job_ends_wait_with_status_1(service: Database, brushwork: Command) -> None:
    job_id = brushwork("submit", "text-to-image", "a red circle").out.strip()
    finish(service, job_id)
    waited = brushwork("wait", job_id)
    assert waited.status == 1
    assert "out_of_memory" in waited.out
    assert "out_of_memory" in waited.err


def test_waiting_too_long_ends_with_status_4(service: Database, brushwork: Command) -> None:
    job_id = brushwork("submit", "text-to-image", "a red circle").out.strip()
    waited = brushwork("wait", job_id, "--timeout", "0.05")
    assert waited.status == 4
    assert "It continues" in waited.err


def test_cancel_says_the_state(service: Database, brushwork: Command) -> None:
    job_id = brushwork("submit", "text-to-image", "a red circle").out.strip()
    assert brushwork("cancel", job_id).out.strip() == "canceled"
    assert brushwork("wait", job_id).status == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("submit", "text-to-audio", "x"), "no kind 'text-to-audio'"),
        (("submit", "text-to-image", "x", "width=63"), "width"),
        (("submit", "text-to-image", "x", "widht=64"), "Did you mean 'width'"),
        (("submit", "image-to-text", "missing.png"), "missing.png"),
        (("show", "nope"), "no job 'nope'"),
        (("worker", "--kinds", "text-to-audio"), "no kind"),
        (("worker", "--kinds", ""), "no kind"),
        (("worker", "--log-level", "loud"), "loud"),
        (("models", "--kind", "text-to-audio"), "no kind"),
    ],
)
def test_a_wrong_request_ends_with_status_2_and_no_traceback(
    service: Database, brushwork: Command, arguments: tuple[str, ...], words: str
) -> None:
    answer = brushwork(*arguments)
    assert answer.status == 2
    assert words in answer.err
    assert "Traceback" not in answer.err
    assert json.loads(brushwork("jobs", "--json").out) == []


def test_an_unknown_option_ends_with_status_2(brushwork: Command) -> None:
    assert brushwork("jobs", "--nonsense").status == 2


def test_without_any_service_the_fix_is_named(brushwork: Command) -> None:
    answer = brushwork("jobs")
    assert answer.status == 3
    assert "brushwork up" in answer.err


def test_a_database_without_tables_is_named_and_migrate_makes_them(
    brushwork: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRUSHWORK_DATABASE_URL", f"sqlite:///{tmp_path / 'new.sqlite3'}")
    monkeypatch.setenv("BRUSHWORK_ARTIFACTS_URL", str(tmp_path / "artifacts"))
    before = brushwork("jobs")
    assert (before.status, "brushwork migrate" in before.err) == (3, True)
    assert brushwork("migrate").status == 0
    assert brushwork("jobs").status == 0


def test_models_and_workers_are_listed(service: Database, brushwork: Command) -> None:
    assert "pocket-diffusion" in brushwork("models").out
    names = [
        model["name"] for model in json.loads(brushwork("models", "--kind", "image-to-text", "--json").out)
    ]
    assert names[0] == "pocket-captioner"
    assert json.loads(brushwork("workers", "--json").out) == []


def test_how_workers_gather_calls_is_shown(service: Database, brushwork: Command) -> None:
    batching = {
        "pocket-diffusion unet": {
            **{"runs": 1, "mean_calls": 1.0, "mean_rows": 2.0, "occupancy": 0.031},
            **{"mean_wait_s": 0.5, "longest_wait_s": 0.5, "busy_s": 0.25},
            **{"ran_because": {"complete": 1}, "passed_over": {"other module": 3}},
        }
    }
    WorkerRegistry(service).announce(WorkerEntry("brushwork@here/1", (), (), "cpu", batching=batching))
    assert json.loads(brushwork("workers", "--json").out)[0]["batching"] == batching
    shown = brushwork("workers", "--batching").out.split()
    for word in ("unet", "500.0", "complete", "other"):
        assert word in shown


def test_a_health_check_asks_for_one_ready_worker(service: Database, brushwork: Command) -> None:
    worker_registry = WorkerRegistry(service)
    worker_registry.announce(WorkerEntry("brushwork@here/1", (), (), "cpu", ready=True))
    worker_registry.announce(WorkerEntry("brushwork@there/2", (), (), "cpu", ready=False))
    assert brushwork("workers", "--ready", "here").status == 0
    assert brushwork("workers", "--ready", "there").status == 3


def test_a_worker_s_name_is_its_own(service: Database, brushwork: Command) -> None:
    began = started_at(os.getpid())
    assert began is not None
    name = f"gpu@{socket.gethostname()}/{os.getpid()}-x"
    living = WorkerEntry(name, (), (), "cpu", host=here(), pid=os.getpid(), pid_started_at=began)
    WorkerRegistry(service).announce(living)
    answer = brushwork("worker", "--name", "gpu")
    assert answer.status == 78
    assert f"process {os.getpid()}" in answer.err
    assert "--name" in answer.err


def test_a_worker_without_its_packages_names_the_extra(
    brushwork: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    # None in sys.modules makes the import fail as it does where the package is missing.
    for name in [module for module in sys.modules if module.startswith("brushwork_workers")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "brushwork_workers.process.service", None)
    answer = brushwork("worker")
    assert answer.status == 78
    assert "pip install 'brushwork[workers]'" in answer.err


def test_help_documents_the_exit_status(brushwork: Command) -> None:
    help_text = " ".join(brushwork("--help").out.split())
    assert "Exit status: 0 done; 1 the job failed" in help_text


def test_ctrl_c_while_waiting_ends_with_status_130_and_the_job_goes_on(service: Database) -> None:
    with Client() as client:
        job = client.submit("text-to-image", prompt="a red circle")
        waiting = subprocess.Popen(
            [sys.executable, "-c", WAIT_AND_TELL, "wait", job.id], stdout=subprocess.PIPE, text=True
        )
        with waiting:
            assert waiting.stdout is not None
            assert waiting.stdout.readline() == "waiting\n"
            waiting.send_signal(signal.SIGINT)
            assert waiting.wait(timeout=20) == 130
        assert client.get(job.id).state == "queued"


WAIT_AND_TELL = """
import sys
from brushwork.cli import main
from brushwork.transports.direct import DirectTransport

def look(self, job_id, plain=DirectTransport.look):
    print("waiting", flush=True)
    return plain(self, job_id)

DirectTransport.look = look
main(sys.argv[1:])
"""


def test_a_running_job_s_preview_is_written(service: Database, brushwork: Command, tmp_path: Path) -> None:
    job_id = brushwork("submit", "text-to-image", "a red circle").out.strip()
    claim = Ledger(service).claim(job_id, "worker-1")
    assert claim is not None
    late = brushwork("preview", job_id, "--timeout", "0")
    assert late.status == 4
    assert "no preview within 0 s" in late.err
    picture = Preview(jpeg=b"\xff\xd8 a picture", step=3, total=12)
    JobSignals(service).report_progress(
        [ProgressReport(job_id, claim.fence, Progress(step=3, total=12), picture)]
    )
    file = tmp_path / "preview.jpg"
    shown = brushwork("preview", job_id, "--output", str(file))
    assert (shown.status, file.read_bytes()) == (0, picture.jpeg)
    assert "step 3 of 12" in shown.err
    assert brushwork("preview", job_id, "--output", str(tmp_path)).status == 2


def test_a_finished_job_has_no_preview(service: Database, brushwork: Command) -> None:
    job_id = brushwork("submit", "text-to-image", "a red circle").out.strip()
    finish(service, job_id)
    answer = brushwork("preview", job_id)
    assert answer.status == 2
    assert "only running jobs" in answer.err
    assert f"brushwork show {job_id}" in answer.err


def test_previews_leave_a_pipe_s_output_as_it_is(service: Database, brushwork: Command) -> None:
    job_id = brushwork("submit", "text-to-image", "a red circle").out.strip()
    claim = Ledger(service).claim(job_id, "worker-1")
    assert claim is not None
    job_signals = JobSignals(service)
    job_signals.preview(job_id)
    picture = Preview(jpeg=b"\xff\xd8 a picture", step=3, total=12)
    job_signals.report_progress([ProgressReport(job_id, claim.fence, Progress(step=3, total=12), picture)])
    answer = brushwork("wait", job_id, "--preview", "--timeout", "0.6")
    assert (answer.status, answer.out) == (4, "")
