"""The clients for a backend's own tests, beyond what they share with the real ones: the test as a worker."""

import asyncio
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from brushwork import JobState, Preview, Priority, UnknownKind, UnknownModel
from brushwork.testing import FakeAsyncClient, FakeClient
from brushwork_schemas.errors import OutOfMemory
from brushwork_schemas.kinds.registry import all_kinds
from PIL import Image

from tests.clients import png

DOCS = Path(__file__).parents[2] / "docs" / "testing.md"
EXAMPLE = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
KIND = "text-to-image"
REQUESTS: dict[str, dict[str, Any]] = {
    KIND: {"prompt": "a red circle", "num_images_per_prompt": 2, "seed": 5},
    "image-to-image": {"prompt": "a red circle", "image": png(), "seed": 5},
    "image-editing": {"prompt": "make it blue", "images": [png()], "seed": 5},
    "inpainting": {"prompt": "a red circle", "image": png(), "mask_image": png("white"), "seed": 5},
    "image-upscaling": {"image": png()},
    "image-to-text": {"image": png()},
    "image-classification": {"image": png(), "top_k": 2},
    "image-segmentation": {"image": png()},
    "image-preprocessing": {"image": png()},
    "image-classification-training": {"dataset": b"PK\x03\x04", "num_train_epochs": 3},
}


@pytest.fixture
def client() -> FakeClient:
    return FakeClient(auto=True)


def result(client: FakeClient, kind: str, **changes: Any) -> Any:
    return client.submit(kind, **{**REQUESTS[kind], **changes}).raise_for_state().result


class TestSamples:
    def test_there_is_one_for_each_kind(self) -> None:
        assert REQUESTS.keys() == all_kinds().keys()

    def test_pictures_are_real_and_depend_on_words_and_seed(self, client: FakeClient) -> None:
        made = result(client, KIND)
        assert (made.seed, made.seeds) == (5, (5, 6))
        assert [image.pil().size for image in made.images] == [(64, 64)] * 2
        assert made.images[0].bytes() != made.images[1].bytes()
        assert result(client, KIND) == made
        assert result(client, KIND, seed=6).images[0] == made.images[1]
        assert result(client, KIND, prompt="a blue square").images[0] != made.images[0]

    def test_a_caption_is_in_the_language_that_was_asked_for(self, client: FakeClient) -> None:
        assert result(client, "image-to-text").generated_text.isascii()
        assert "圆" in result(client, "image-to-text", language="zh").generated_text

    def test_there_are_as_many_classes_as_were_asked_for(self, client: FakeClient) -> None:
        scores = [each.score for each in result(client, "image-classification").predictions]
        assert len(scores) == 2
        assert scores == sorted(scores, reverse=True)

    def test_a_mask_fits_its_picture(self, client: FakeClient) -> None:
        made = result(client, "image-segmentation")
        assert made.mask.pil().size == made.overlay.pil().size == (16, 8)
        assert made.mask.pil().mode == "P"
        assert sum(made.areas.values()) == pytest.approx(1)
        assert made.areas.keys() <= set(made.labels)
        assert result(client, "image-segmentation", overlay=False).overlay is None

    def test_a_picture_that_begins_with_another_is_as_large(self, client: FakeClient) -> None:
        for kind in ("image-to-image", "inpainting"):
            (image,) = result(client, kind).images
            assert image.pil().size == (16, 8)
            assert result(client, kind, width=32, height=64).images[0].pil().size == (32, 64)
        larger = result(client, "image-upscaling")
        assert (larger.image.pil().size, larger.scale) == ((32, 16), 2.0)

    def test_there_are_as_many_captions_as_were_asked_for(self, client: FakeClient) -> None:
        assert result(client, "image-to-text").candidates == ()
        several = result(client, "image-to-text", num_beams=3, num_return_sequences=3)
        assert len({candidate.text for candidate in several.candidates}) == 3
        assert several.generated_text == several.candidates[0].text

    def test_a_training_gives_a_model_that_serves(self, client: FakeClient) -> None:
        trained = client.submit("image-classification-training", **REQUESTS["image-classification-training"])
        made = trained.raise_for_state().result
        assert made.model_name == f"trained:{trained.id}"
        assert len(trained.curve) == len(made.curve) == 3
        assert made.plot.pil().size == (64, 48)
        assert (made.weights.media_type, made.config.bytes()[:1]) == ("application/vnd.safetensors", b"{")
        seen = client.submit("image-classification", image=png(), model=made.model_name)
        assert seen.raise_for_state().model == made.model_name
        assert made.model_name in [model.name for model in client.models("image-classification")]
        for name in ("trained:none", f"trained:{seen.id}"):
            with pytest.raises(UnknownModel):
                client.submit("image-classification", image=png(), model=name)

    def test_the_smallest_picture_will_do(self, client: FakeClient) -> None:
        dot = Image.new("RGB", (1, 1))
        assert sum(result(client, "image-segmentation", image=dot).areas.values()) == pytest.approx(1)


class TestAnswers:
    def test_every_kind_that_makes_pictures_takes_them_in_short(self, client: FakeClient) -> None:
        for kind in ("image-to-image", "inpainting", "image-upscaling"):
            client.answer(kind, png("blue"))
            made = result(client, kind)
            image = made.image if kind == "image-upscaling" else made.images[0]
            assert image.pil().getpixel((0, 0)) == (0, 0, 255)

    @pytest.mark.parametrize("said", [png("blue"), [png("blue")], Image.new("RGB", (16, 8), "blue")])
    def test_pictures_in_short(self, client: FakeClient, said: Any) -> None:
        client.answer(KIND, said)
        (picture,) = result(client, KIND).images
        assert picture.pil().getpixel((0, 0)) == (0, 0, 255)

    def test_scores_in_short(self, client: FakeClient) -> None:
        client.answer("image-classification", {"cat": 0.9, "dog": 0.1})
        found = result(client, "image-classification").predictions
        assert [(each.label, each.score) for each in found] == [("cat", 0.9), ("dog", 0.1)]

    def test_one_after_the_other_and_the_last_for_all_that_follow(self, client: FakeClient) -> None:
        client.answer("image-to-text", "one", None, "three")
        said = [result(client, "image-to-text").generated_text for _ in range(4)]
        assert said == ["one", "a red circle", "three", "three"]

    def test_a_whole_result_stays_as_it_is(self, client: FakeClient) -> None:
        whole = result(client, "image-to-text").model_copy(update={"generated_text": "mine"})
        client.answer("image-to-text", whole)
        assert result(client, "image-to-text") == whole

    def test_an_error_fails_the_job(self, client: FakeClient) -> None:
        client.answer(KIND, OutOfMemory("The device is full.", hint="Smaller."))
        error = client.submit(KIND, prompt="x").error
        assert error is not None
        assert (error.code, error.message, error.hint) == ("out_of_memory", "The device is full.", "Smaller.")

    def test_a_function_may_raise_and_may_use_the_client(self, client: FakeClient) -> None:
        def ask(job: Any) -> Any:
            assert client.get(job.id).state is JobState.RUNNING
            raise ZeroDivisionError("by zero")

        client.answer(KIND, ask)
        error = client.submit(KIND, prompt="x").error
        assert error is not None
        assert (error.code, error.fault) == ("internal", "machine")
        assert "ZeroDivisionError" in error.message

    def test_a_job_may_be_withdrawn_while_it_runs(self, client: FakeClient) -> None:
        client.answer(KIND, lambda job: client.cancel(job.id) and None)
        assert client.submit(KIND, prompt="x").state is JobState.CANCELED

    @pytest.mark.parametrize("said", [5, "words", {"nonsense": 1, "images": 5}])
    def test_what_is_no_result_is_the_test_s_mistake(self, client: FakeClient, said: Any) -> None:
        client.answer(KIND, said)
        with pytest.raises((TypeError, ValueError)):
            client.submit(KIND, prompt="x")

    def test_a_kind_that_is_not_there_is_the_test_s_mistake(self, client: FakeClient) -> None:
        with pytest.raises(UnknownKind):
            client.answer("image-to-sound")


class TestSteps:
    def test_the_most_urgent_runs_first_and_of_those_the_oldest(self) -> None:
        client = FakeClient()
        urgencies = ("low", "normal", "urgent", "normal")
        jobs = [client.submit(KIND, prompt="x", priority=priority) for priority in urgencies]
        assert [job.id for job in client.run_all()] == [jobs[number].id for number in (2, 1, 3, 0)]
        assert list(Priority) == ["low", "normal", "high", "urgent"]

    def test_moves_that_can_t_be_are_the_test_s_mistake(self) -> None:
        client = FakeClient()
        job = client.submit(KIND, prompt="x")
        for move in (client.finish, lambda job_id: client.advance(job_id, 1, 2)):
            with pytest.raises(RuntimeError, match="queued, not running"):
                move(job.id)
        client.start(job.id)
        with pytest.raises(RuntimeError, match="running, not queued"):
            client.start(job.id)

    def test_a_deadline_that_has_passed_ends_the_job(self) -> None:
        client = FakeClient()
        job = client.submit(KIND, prompt="x", deadline_s=1e-6)
        assert job.deadline_at == job.created_at + timedelta(seconds=1e-6)
        assert client.get(job.id).state is JobState.EXPIRED
        assert client.run_next() is None

    def test_a_preview_is_gone_at_the_end(self) -> None:
        client = FakeClient()
        job = client.submit(KIND, prompt="x")
        client.start(job.id)
        client.show(job.id, Preview(jpeg=b"x", step=1, total=2))
        assert client.preview(job.id) is not None
        client.finish(job.id)
        assert client.preview(job.id) is None

    def test_who_waits_in_one_thread_hears_of_what_another_does(self) -> None:
        client, told = FakeClient(), threading.Event()
        job = client.submit(KIND, prompt="x")
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(client.wait, job.id, timeout_s=30, on_progress=lambda *_: told.set())
            assert told.wait(timeout=30)
            client.run_next()
            assert waiting.result(timeout=30).state is JobState.SUCCEEDED

    def test_several_threads_run_each_job_once(self) -> None:
        client = FakeClient()
        client.submit_many([{"kind": KIND, "prompt": "x"}] * 40)
        with ThreadPoolExecutor(4) as threads:
            ran = [job.id for some in threads.map(lambda _: client.run_all(), range(4)) for job in some]
        assert len(ran) == len(set(ran)) == 40

    def test_nothing_of_it_is_awaited(self) -> None:
        async def play() -> str:
            async with FakeAsyncClient() as client:
                job = await client.submit("image-to-text", image=png())
                client.answer("image-to-text", "two dogs")
                client.run_next()
                done = await client.wait(job.id)
                return str(done.result.generated_text)

        assert asyncio.run(play()) == "two dogs"

    def test_each_client_has_its_own_world(self, client: FakeClient) -> None:
        client.submit(KIND, prompt="x")
        assert FakeClient().list() == []
        assert repr(client) == "FakeClient('memory')"


def test_the_example_of_the_docs_runs_as_it_stands(tmp_path: Path) -> None:
    (example,) = EXAMPLE.findall(DOCS.read_text("utf-8"))
    (tmp_path / "test_example.py").write_text(example, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "5 passed" in ran.stdout


def test_no_server_s_library_is_loaded() -> None:
    program = "import sys, brushwork.testing; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in ran.stdout.split()}
    assert loaded & {"torch", "redis", "celery", "kombu", "psycopg", "fastapi", "httpx", "pytest"} == set()
