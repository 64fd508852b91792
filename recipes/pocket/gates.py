"""The accuracy that each part must reach before the next part is trained, on held-out descriptions.

The seeds differ from those of the published figures.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.models.unets.unet_motion_model import UNetMotionModel

from recipes.pocket.networks import editor, fine_autoencoder, turbo, video
from recipes.pocket.networks.judging import from_checkout, generation_accuracy, reconstruction_accuracy
from recipes.pocket.networks.parts import Parts
from recipes.pocket.texts import text_encoder
from recipes.pocket.training.device import on_device

_COUNT = 300
_SEED = 4100


@dataclass(frozen=True)
class GateResult:
    """A measured figure of a gate and its required minimum, both as shares from 0 to 1."""

    name: str
    value: float
    required: float

    @property
    def is_passed(self) -> bool:
        """Whether the figure reaches the minimum."""
        return self.value >= self.required

    def __str__(self) -> str:
        verdict = "reached" if self.is_passed else "NOT reached"
        return f"{self.name}: {100 * self.value:.1f} %, wanted {100 * self.required:.1f} %, {verdict}"


def _text_encoder(out: Path) -> list[GateResult]:
    return [GateResult("prompts read in full", text_encoder.accuracy(out), 0.999)]


def _autoencoder(out: Path) -> list[GateResult]:
    vae = on_device(AutoencoderTiny.from_pretrained(out / "vae")).eval()
    shares = [reconstruction_accuracy(vae, count, _COUNT, _SEED) for count in (1, 2)]
    names = ("reconstructions of one object", "reconstructions of two objects")
    return [GateResult(name, share, 0.99) for name, share in zip(names, shares, strict=True)]


def _denoiser(out: Path) -> list[GateResult]:
    unet = on_device(UNet2DConditionModel.from_pretrained(out / "unet")).eval()
    pipeline = Parts.load(out).pipeline(unet)
    shares = [generation_accuracy(pipeline, count, _COUNT, _SEED, steps=12, guidance=2.0) for count in (1, 2)]
    return [
        GateResult("prompts of one object, 12 steps", shares[0], 0.95),
        GateResult("prompts of two objects, 12 steps", shares[1], 0.85),
    ]


def _turbo(out: Path) -> list[GateResult]:
    shares = [
        generation_accuracy(turbo.pipeline(out), count, _COUNT, _SEED, turbo.STEPS, 1.0) for count in (1, 2)
    ]
    return [
        GateResult("prompts of one object, few steps", shares[0], 0.90),
        GateResult("prompts of two objects, few steps", shares[1], 0.75),
    ]


def _captioner(out: Path) -> list[GateResult]:
    benchmark = from_checkout("benchmarks.pocket_reading")
    shares = benchmark.measure_captions(out / "pocket-captioner", _COUNT, _SEED)
    required = {"one": 0.97, "two": 0.92}
    return [
        GateResult(f"captions, {cell} {language}", shares[f"{cell} {language}"], least)
        for cell, least in required.items()
        for language in ("en", "zh")
    ]


def _classifier(out: Path) -> list[GateResult]:
    benchmark = from_checkout("benchmarks.pocket_reading")
    shares = benchmark.measure_classes(out / "pocket-classifier", 4 * _COUNT, _SEED)
    return [GateResult("classes", shares["one"], 0.995)]


def _segmenter(out: Path) -> list[GateResult]:
    benchmark = from_checkout("benchmarks.pocket_reading")
    shares = benchmark.measure_masks(out / "pocket-segmenter", _COUNT, _SEED)
    return [GateResult(f"mean overlap of masks, {cell}", shares[cell], 0.95) for cell in ("one", "two")]


def _fine_autoencoder(out: Path) -> list[GateResult]:
    vae = on_device(AutoencoderTiny.from_pretrained(out / fine_autoencoder.NAME)).eval()
    share = fine_autoencoder.reconstruction_accuracy(vae, _COUNT, _SEED)
    return [GateResult("reconstructions of one object anywhere", share, 0.97)]


def _editor(out: Path) -> list[GateResult]:
    unet = on_device(UNet2DConditionModel.from_pretrained(out / editor.NAME)).eval()
    colours, places = editor.accuracy(editor.EditorParts.load(out).pipeline(unet), _COUNT, _SEED)
    return [GateResult("edits of the colour", colours, 0.90), GateResult("edits of the place", places, 0.90)]


def _video(out: Path) -> list[GateResult]:
    unet = on_device(UNetMotionModel.from_pretrained(out / video.NAME)).eval()
    frames, _ = video.accuracy(video.VideoParts.load(out).pipeline(unet), max(1, _COUNT // 10), _SEED)
    return [GateResult("frames of videos", frames, 0.90)]


GATES: dict[str, Callable[[Path], list[GateResult]]] = {
    "text_encoder": _text_encoder,
    "decoder": _autoencoder,
    "denoiser": _denoiser,
    "polish": _denoiser,
    "turbo": _turbo,
    "captioner": _captioner,
    "classifier": _classifier,
    "segmenter": _segmenter,
    "fine_decoder": _fine_autoencoder,
    "editor": _editor,
    "video": _video,
}
"""The gate of each part. The autoencoder is measured with its decoder, which is trained right after it."""
