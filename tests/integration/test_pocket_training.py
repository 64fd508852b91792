"""The pocket models' recipe, from nothing to models that load: every part is trained for a moment."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from brushwork_workers.pocket import WEIGHTS
from diffusers.pipelines.animatediff.pipeline_animatediff import AnimateDiffPipeline
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion_instruct_pix2pix import (
    StableDiffusionInstructPix2PixPipeline,
)

from benchmarks.pocket_models import Captioner, load_torchvision, prepare
from recipes.pocket import gates, shipping
from recipes.pocket.gates import GateResult
from recipes.pocket.networks import (
    autoencoder,
    classifier,
    decoder,
    denoiser,
    editor,
    fine_decoder,
    pool,
    turbo,
    video,
)
from recipes.pocket.scenes import world
from recipes.pocket.stages import PARTS, run_all, run_part
from recipes.pocket.training import learning_curve, process_group
from recipes.pocket.training.loop import TimeBudget

# A step or two of each part.
MOMENT = TimeBudget(minutes=0.003)
Gate = Callable[[Path], list[GateResult]]


@pytest.fixture
def lone_gates(monkeypatch: pytest.MonkeyPatch) -> dict[str, Gate]:
    """The recipe's gates, which one process of several measures alone: none may wait for the others."""

    def alone(gate: Gate) -> Gate:
        def measure(out: Path) -> list[GateResult]:
            with monkeypatch.context() as patched:
                for name in ("broadcast", "average", "barrier"):
                    fail = lambda *_: pytest.fail("a gate waits for other processes")  # noqa: E731
                    patched.setattr(process_group, name, fail)
                return gate(out)

        return measure

    return {part: alone(gate) for part, gate in gates.GATES.items()}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer pictures to learn from, to be measured and to be judged on."""
    monkeypatch.setattr(decoder, "_POOL", 256)
    monkeypatch.setattr(denoiser, "_POOL", 256)
    for module in (editor, video):
        monkeypatch.setattr(module, "_POOL", 8)
    for module in (decoder, denoiser, turbo, fine_decoder, editor, video):
        monkeypatch.setattr(module, "NUM_EVALUATED", 4)
    monkeypatch.setattr(autoencoder, "_NUM_MEASURED", 128)
    monkeypatch.setattr(classifier, "_NUM_CALIBRATED", 200)
    # Only the denoiser's pool is drawn by other processes, each of which imports torch.
    monkeypatch.setattr(decoder, "chunks", lambda *given, alone: pool.chunks(*given, alone=False))
    monkeypatch.setattr(gates, "_COUNT", 2)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("small")
def test_all_parts_are_trained_in_order_and_what_they_make_loads(
    tmp_path: Path, lone_gates: dict[str, Gate]
) -> None:
    out, weights = tmp_path / "out", tmp_path / "weights"

    def train(part: str, out: Path, budget: TimeBudget) -> bool:
        return run_part(part, out, MOMENT)

    assert run_all(out, MOMENT, past_gates=True, train=train, gates=lone_gates)
    noted = json.loads((out / "gates.json").read_text())
    assert list(noted) == list(PARTS)
    assert {part for part, note in noted.items() if note["figures"]} == set(lone_gates)
    judged = {line.split(",")[0] for line in (out / learning_curve.FILE).read_text().splitlines()[1:]}
    with_curve = {"decoder", "denoiser", "polish", "turbo", "fine_vae", "fine_decoder", "editor", "video"}
    assert judged == with_curve

    for model in shipping.MODELS:
        shipping.ship(model, out, weights)
    for name, steps in (("pocket-diffusion", 2), ("pocket-turbo", turbo.STEPS)):
        pipeline = StableDiffusionPipeline.from_pretrained(weights / name)
        picture = pipeline("a red circle", num_inference_steps=steps).images[0]
        assert picture.size == (64, 64)
    instruct = StableDiffusionInstructPix2PixPipeline.from_pretrained(weights / "pocket-editor")
    assert instruct("make it blue", image=picture, num_inference_steps=2).images[0].size == (64, 64)
    animate = AnimateDiffPipeline.from_pretrained(weights / "pocket-video")
    assert len(animate("a red circle moves up", num_inference_steps=2).frames[0]) == 16
    captions = Captioner(weights / "pocket-captioner").captions([picture], "en")
    assert len(captions) == 1
    classifier, config = load_torchvision(weights / "pocket-classifier")
    assert classifier(prepare([picture], config)).shape == (1, len(world.SHAPES))
    segmenter, config = load_torchvision(weights / "pocket-segmenter")
    assert segmenter(prepare([picture], config))["out"].shape[1] == len(world.SHAPES) + 1


def test_what_ships_is_in_half_precision() -> None:
    files = list(WEIGHTS.rglob("*.safetensors"))
    assert len(files) >= 6
    for file in files:
        head = file.read_bytes()[: 8 + int.from_bytes(file.read_bytes()[:8], "little")]
        kinds = {entry["dtype"] for name, entry in json.loads(head[8:]).items() if name != "__metadata__"}
        assert kinds <= {"F16", "I64"}, file
