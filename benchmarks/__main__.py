"""Run all benchmarks one after another, the CUDA benchmark only with a device: `python -m benchmarks`."""

import subprocess
import sys

import torch

NAMES = (
    "text_to_image",
    "mixed_steps",
    "image_classification",
    "empty_job",
    "ledger_cost",
    "gateway",
    "crash_detection",
    "digits",
    "full_size",
    "model_mix",
)


def main() -> None:
    """Run each as a command of its own, so that none inherits another's memory or threads."""
    names = [*NAMES, *(["cuda_gathering"] if torch.cuda.is_available() else [])]
    for name in names:
        print(f"\n== {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
    if len(names) == len(NAMES):
        print("\ncuda_gathering: skipped, for there is no CUDA device here.")


if __name__ == "__main__":
    main()
