"""What each part has to reach before the next is built on it, measured on held-out descriptions.

The seeds are none of those that published figures are measured with.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

from recipes.pocket import text_encoder, turbo
from recipes.pocket.device import placed
from recipes.pocket.judging import from_checkout, painted, reconstructed
from recipes.pocket.parts import Parts

_COUNT = 300
_SEED = 4100


@dataclass(frozen=True)
class Passage:
    """One figure of a gate and what it has to be at least, both as shares."""

    name: str
    reached: float
    wanted: float

    @property
    def is_open(self) -> bool:
        """True if enough was reached."""
        return self.reached >= self.wanted

    def __str__(self) -> str:
        verdict = "reached" if self.is_open else "NOT reached"
        return f"{self.name}: {100 * self.reached:.1f} %, wanted {100 * self.wanted:.1f} %, {verdict}"


def _text_encoder(out: Path) -> list[Passage]:
    return [Passage("prompts read in full", text_encoder.accuracy(out), 0.999)]


def _autoencoder(out: Path) -> list[Passage]:
    vae = placed(AutoencoderTiny.from_pretrained(out / "vae")).eval()
    shares = [reconstructed(vae, count, _COUNT, _SEED) for count in (1, 2)]
    names = ("reconstructions of one object", "reconstructions of two objects")
    return [Passage(name, share, 0.99) for name, share in zip(names, shares, strict=True)]


def _denoiser(out: Path) -> list[Passage]:
    unet = placed(UNet2DConditionModel.from_pretrained(out / "unet")).eval()
    pipeline = Parts.load(out).pipeline(unet)
    shares = [painted(pipeline, count, _COUNT, _SEED, steps=12, guidance=2.0) for count in (1, 2)]
    return [
        Passage("prompts of one object, 12 steps", shares[0], 0.95),
        Passage("prompts of two objects, 12 steps", shares[1], 0.85),
    ]


def _turbo(out: Path) -> list[Passage]:
    shares = [painted(turbo.pipeline(out), count, _COUNT, _SEED, turbo.STEPS, 1.0) for count in (1, 2)]
    return [
        Passage("prompts of one object, few steps", shares[0], 0.90),
        Passage("prompts of two objects, few steps", shares[1], 0.75),
    ]


def _captioner(out: Path) -> list[Passage]:
    benchmark = from_checkout("benchmarks.pocket_reading")
    shares = benchmark.measure_captions(out / "pocket-captioner", _COUNT, _SEED)
    wanted = {"one": 0.97, "two": 0.92}
    return [
        Passage(f"captions, {cell} {language}", shares[f"{cell} {language}"], least)
        for cell, least in wanted.items()
        for language in ("en", "zh")
    ]


def _classifier(out: Path) -> list[Passage]:
    benchmark = from_checkout("benchmarks.pocket_reading")
    shares = benchmark.measure_classes(out / "pocket-classifier", 4 * _COUNT, _SEED)
    return [Passage("classes", shares["one"], 0.995)]


def _segmenter(out: Path) -> list[Passage]:
    benchmark = from_checkout("benchmarks.pocket_reading")
    shares = benchmark.measure_masks(out / "pocket-segmenter", _COUNT, _SEED)
    return [Passage(f"mean overlap of masks, {cell}", shares[cell], 0.95) for cell in ("one", "two")]


GATES: dict[str, Callable[[Path], list[Passage]]] = {
    "text_encoder": _text_encoder,
    "decoder": _autoencoder,
    "denoiser": _denoiser,
    "polish": _denoiser,
    "turbo": _turbo,
    "captioner": _captioner,
    "classifier": _classifier,
    "segmenter": _segmenter,
}
"""Measures by part; the autoencoder's is its decoder's, which is trained on right after it."""
