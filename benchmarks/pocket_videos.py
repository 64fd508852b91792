"""The accuracy of `pocket-video`, by the pixels of the frames of its videos.

python -m benchmarks.pocket_videos [--count 20] [--seed 79] [--weights FOLDER] [--steps 4]
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from brushwork_workers.pocket import WEIGHTS
from diffusers.pipelines.animatediff.pipeline_animatediff import AnimateDiffPipeline

from benchmarks.pocket_cells import Figures
from recipes.pocket.scenes import motions
from recipes.pocket.scenes.motions import NUM_FRAMES, Motion
from tests.edit_judge import judge_frames

STEPS = 4
WRITERS: dict[str, Callable[[Motion], str]] = {"en": motions.english, "zh": motions.chinese}
_CELLS = {"held out": False, "never-trained pair": True}


def measure(folder: Path, count: int, seed: int, steps: int = STEPS) -> dict[str, Figures]:
    """Return the share of right frames, of each judged part, and of videos with 16 right frames."""
    pipeline = AnimateDiffPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    figures = {}
    for cell, never_trained in _CELLS.items():
        for language, write in WRITERS.items():
            rng = np.random.default_rng(seed)
            wanted = [motions.sample_test(rng, never_trained) for _ in range(count)]
            videos = []
            for index, motion in enumerate(wanted):
                frames = pipeline(
                    write(motion),
                    num_frames=NUM_FRAMES,
                    num_inference_steps=steps,
                    guidance_scale=1.0,
                    generator=torch.Generator().manual_seed(seed * 100_000 + index),
                ).frames[0]
                videos.append(judge_frames(frames, motion))
            figures[f"{cell} | {language}"] = _shares(videos)
    return figures


def _shares(videos: list[list[dict[str, bool]]]) -> Figures:
    frames = [verdict for video in videos for verdict in video]
    names = ("count", "background", "colour", "shape", "way")
    shares = {name: float(np.mean([v[name] for v in frames if name in v])) for name in names}
    shares["right frames"] = float(np.mean([all(v.values()) for v in frames]))
    shares["right videos"] = float(np.mean([all(all(v.values()) for v in video) for video in videos]))
    return shares


def main() -> None:
    """Print a table of all figures, in percent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20, help="videos of each row")
    parser.add_argument("--seed", type=int, default=79)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    figures = measure(options.weights / "pocket-video", options.count, options.seed, options.steps)
    names = list(next(iter(figures.values())))
    print("| prompts | language | " + " | ".join(names) + " |")
    print("|" + " --- |" * (2 + len(names)))
    for row, values in figures.items():
        print(f"| {row} | " + " | ".join(f"{100 * values[name]:.1f}" for name in names) + " |", flush=True)


if __name__ == "__main__":
    main()
