"""How often the pocket models are right, measured on the shipped weights with stock classes.

    python -m benchmarks.pocket_accuracy [--cell 200] [--json FILE] [--sheet FILE]

Every prompt and picture is held out of training (by attributes, not only by seed). Drawn pictures use the
world's full ranges, with colour changes, noise and soft edges; generated ones are judged by their pixels
(`tests/pixel_judge.py`), no learned model. Cells "never" hold only colour and shape pairs never trained on.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from brushwork_workers.pocket import WEIGHTS, world
from brushwork_workers.pocket.grammar import (
    Description,
    canonical,
    chinese,
    describe,
    english,
    parse,
    sample_test,
)
from brushwork_workers.pocket.staging import WIDE, stage
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional
from torchvision.models._utils import IntermediateLayerGetter
from transformers import AutoImageProcessor, AutoTokenizer, VisionEncoderDecoderModel

from tests.pixel_judge import all_right, judge

Figures = dict[str, float]
WRITERS: dict[str, Callable[[Description], str]] = {"en": english, "zh": chinese}
_BATCH = 50


@dataclass(frozen=True)
class Cell:
    """One kind of prompt or picture that is measured apart."""

    num_objects: int
    never_trained: bool

    @property
    def name(self) -> str:
        """Its row's name in the table."""
        count = "one" if self.num_objects == 1 else "two"
        return f"{count}, never" if self.never_trained else count


CELLS = (Cell(1, False), Cell(2, False), Cell(1, True), Cell(2, True))


def batches(items: list[Any]) -> Iterator[list[Any]]:
    """Slices of at most 50."""
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]


def descriptions(cell: Cell, count: int, seed: int, keep: float) -> list[Description]:
    """Held-out descriptions; `keep` is the probability that an optional word is there."""
    rng = np.random.default_rng(seed)
    return [sample_test(cell.num_objects, rng, keep, cell.never_trained) for _ in range(count)]


def drawn(cell: Cell, count: int, seed: int) -> list[tuple[world.Scene, Image.Image]]:
    """Held-out scenes and their pictures."""
    rng = np.random.default_rng(seed)
    scenes = [stage(d, WIDE, rng) for d in descriptions(cell, count, seed, keep=1.0)]
    return [(s, Image.fromarray(world.draw(s, 64, world.LIVELY, rng))) for s in scenes]


class Captioner:
    """The shipped captioner."""

    def __init__(self, folder: Path) -> None:
        self._model = VisionEncoderDecoderModel.from_pretrained(folder, dtype=torch.float32).eval()
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._processor = AutoImageProcessor.from_pretrained(folder)

    @torch.no_grad()
    def captions(self, pictures: list[Image.Image], language: str) -> list[str]:
        """The caption of each picture."""
        start = self._tokenizer.convert_tokens_to_ids(f"<|{language}|>")
        told: list[str] = []
        for part in batches(pictures):
            pixels = self._processor(part, return_tensors="pt").pixel_values
            ids = self._model.generate(pixels, decoder_start_token_id=start)
            told += self._tokenizer.batch_decode(ids, skip_special_tokens=True)
        return told


def construct(entry: dict[str, Any]) -> nn.Module:
    """Builds a module from the dotted name and arguments in a `config.json`."""
    module, name = entry["constructor"].rsplit(".", 1)
    built: nn.Module = getattr(import_module(module), name)(**entry["kwargs"])
    return built


def load_torchvision(folder: Path) -> tuple[nn.Module, dict[str, Any]]:
    """A shipped torchvision model and its configuration."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    entry = config["model"]
    if "backbone" in entry:
        base = getattr(construct(entry["backbone"]), entry["backbone"]["features"])
        backbone = IntermediateLayerGetter(base, {entry["backbone"]["return_layer"]: "out"})
        module, name = entry["constructor"].rsplit(".", 1)
        model = getattr(import_module(module), name)(backbone, construct(entry["head"]))
    else:
        model = construct(entry)
    state = {k: v.float() for k, v in load_file(folder / "model.safetensors").items()}
    model.load_state_dict(state)
    return model.eval(), config


def prepare(pictures: list[Image.Image], config: dict[str, Any]) -> torch.Tensor:
    """Pictures as a torchvision model's input `[n, 3, side, side]`."""
    side = config["preprocess"]["resize"]
    arrays = [np.asarray(p.resize((side, side), Image.Resampling.BILINEAR)) for p in pictures]
    pixels = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).float() / 255.0
    mean, std = (torch.tensor(config["preprocess"][k])[:, None, None] for k in ("mean", "std"))
    return (pixels - mean) / std


@torch.no_grad()
def measure_classes(folder: Path, count: int, seed: int) -> Figures:
    """Share of drawn one-object pictures whose shape is named right."""
    model, config = load_torchvision(folder)
    figures = {}
    for cell in (cell for cell in CELLS if cell.num_objects == 1):
        pairs = drawn(cell, count, seed)
        logits = model(prepare([picture for _, picture in pairs], config))
        named = [config["labels"][i] for i in logits.argmax(1).tolist()]
        right = [n == s.objects[0].shape for n, (s, _) in zip(named, pairs, strict=True)]
        figures[cell.name] = float(np.mean(right))
    return figures


@torch.no_grad()
def measure_masks(folder: Path, count: int, seed: int) -> Figures:
    """Mean intersection over union of the nine classes, over all pixels of a cell."""
    model, config = load_torchvision(folder)
    figures = {}
    for cell in CELLS:
        pairs = drawn(cell, count, seed)
        found: list[torch.Tensor] = []
        for part in batches([picture for _, picture in pairs]):
            logits = functional.interpolate(model(prepare(part, config))["out"], (64, 64), mode="area")
            found.append(logits.argmax(1))
        truth = torch.from_numpy(np.stack([world.draw_mask(scene) for scene, _ in pairs])).long()
        figures[cell.name] = mean_overlap(torch.cat(found), truth)
    return figures


def mean_overlap(found: torch.Tensor, truth: torch.Tensor) -> float:
    """Mean intersection over union of the classes that the true masks hold."""
    overlaps = []
    for index in truth.unique().tolist():
        both = ((found == index) & (truth == index)).sum().item()
        overlaps.append(both / ((found == index) | (truth == index)).sum().item())
    return float(np.mean(overlaps))


def measure_captions(captioner: Captioner, count: int, seed: int) -> Figures:
    """Share of drawn pictures whose caption names every attribute right."""
    figures = {}
    for cell in CELLS:
        pairs = drawn(cell, count, seed)
        for language in WRITERS:
            told = captioner.captions([picture for _, picture in pairs], language)
            right = [same(text, describe(s)) for text, (s, _) in zip(told, pairs, strict=True)]
            figures[f"{cell.name} {language}"] = float(np.mean(right))
    return figures


def same(caption: str, description: Description) -> bool:
    """True if a caption says just what is described; a mirrored telling counts as equal."""
    read = parse(caption)
    return read is not None and canonical(read) == canonical(description)


@dataclass(frozen=True)
class Painting:
    """How pictures are made: steps, guidance, and whether to keep them for a sheet."""

    steps: int
    guidance: float
    seed: int


def paint(pipeline: StableDiffusionPipeline, prompts: list[str], painting: Painting) -> list[Image.Image]:
    """One picture a prompt, each from a seed of its own."""
    pictures: list[Image.Image] = []
    for part in batches(prompts):
        first = painting.seed * 100_000 + len(pictures)
        generators = [torch.Generator().manual_seed(first + i) for i in range(len(part))]
        pictures += pipeline(
            part,
            num_inference_steps=painting.steps,
            guidance_scale=painting.guidance,
            generator=generators,
        ).images
    return pictures


def measure_paintings(
    pipeline: StableDiffusionPipeline,
    captioner: Captioner,
    count: int,
    painting: Painting,
) -> tuple[dict[str, Figures], list[tuple[Image.Image, bool]]]:
    """Share of each attribute that is right in generated pictures; pictures and verdicts of the first."""
    table: dict[str, Figures] = {}
    shown: list[tuple[Image.Image, bool]] = []
    for cell in CELLS:
        for language, write in WRITERS.items():
            wanted = descriptions(cell, count, painting.seed, keep=0.75)
            pictures = paint(pipeline, [write(d) for d in wanted], painting)
            verdicts = [judge(p, d) for p, d in zip(pictures, wanted, strict=True)]
            told = captioner.captions(pictures, language)
            row = shares(verdicts)
            trips = [agrees(text, d) for text, d in zip(told, wanted, strict=True)]
            table[f"{cell.name} {language}"] = {**row, "round trip": float(np.mean(trips))}
            shown += [(p, all_right(v)) for p, v in zip(pictures[:16], verdicts, strict=False)]
    return table, shown


def shares(verdicts: list[dict[str, bool]]) -> Figures:
    """Share of right verdicts for each attribute, among the prompts that name it, and for all."""
    named, right = Counter[str](), Counter[str]()
    for verdict in verdicts:
        named.update(verdict.keys())
        right.update(name for name, is_right in verdict.items() if is_right)
    order = ("background", "colour", "shape", "size", "position", "relation", "count")
    figures = {name: right[name] / named[name] for name in order if named[name]}
    return {**figures, "all": float(np.mean([all_right(v) for v in verdicts]))}


def agrees(caption: str, prompt: Description) -> bool:
    """True if a caption names the prompt's shapes, colours, background and relation."""
    read = parse(caption)
    if read is None:
        return False
    told, asked = canonical(read), canonical(prompt)
    ground = told.background if asked.background else None
    told = replace(told, background=ground, size=asked.size, position=asked.position)
    return told == asked


def write_sheet(shown: list[tuple[Image.Image, bool]], file: Path) -> None:
    """A contact sheet, 16 pictures a row, one row a cell and language; wrong ones framed in red."""
    frame = 4
    tile = 64 + 2 * frame
    sheet = Image.new("RGB", (16 * tile, -(-len(shown) // 16) * tile), "white")
    for index, (picture, is_right) in enumerate(shown):
        framed = Image.new("RGB", (tile, tile), "white" if is_right else (220, 0, 0))
        framed.paste(picture, (frame, frame))
        sheet.paste(framed, (index % 16 * tile, index // 16 * tile))
    sheet.save(file)


def show(title: str, rows: dict[str, Figures] | Figures) -> None:
    """Prints figures as percentages, one row a cell."""
    print(f"\n{title}")
    for name, value in rows.items():
        entries = value if isinstance(value, dict) else {"": value}
        text = "  ".join(f"{key} {100 * share:5.1f}" for key, share in entries.items())
        print(f"  {name:<14} {text}", flush=True)


def main() -> None:
    """Measures, prints a table, writes what was asked for."""
    parser = argparse.ArgumentParser(description="Accuracy of the shipped pocket models.")
    parser.add_argument("--cell", type=int, default=200, help="prompts or pictures a cell")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--sheet", type=Path, help="file for a contact sheet (PNG)")
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--guidance", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=2026)
    options = parser.parse_args()
    start = time.monotonic()
    figures = measure(options)
    print(f"\n{time.monotonic() - start:.0f} s, {options.cell} a cell, seed {options.seed}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures, shown as they come."""
    folder, count, seed = options.weights, options.cell, options.seed
    figures: dict[str, Any] = {}
    figures["class"] = measure_classes(folder / "pocket-classifier", count, seed)
    show("class right, drawn pictures (%)", figures["class"])
    figures["masks"] = measure_masks(folder / "pocket-segmenter", count, seed)
    show("mean intersection over union of masks, drawn pictures (%)", figures["masks"])
    captioner = Captioner(folder / "pocket-captioner")
    figures["captions"] = measure_captions(captioner, count, seed)
    show("caption exactly right, drawn pictures (%)", figures["captions"])
    pipeline = StableDiffusionPipeline.from_pretrained(folder / "pocket-diffusion")
    pipeline.set_progress_bar_config(disable=True)
    painting = Painting(options.steps, options.guidance, seed)
    figures["pictures"], shown = measure_paintings(pipeline, captioner, count, painting)
    show(
        f"generated pictures, {painting.steps} steps, guidance {painting.guidance} (%)",
        figures["pictures"],
    )
    if options.sheet:
        write_sheet(shown, options.sheet)
    return figures


if __name__ == "__main__":
    main()
