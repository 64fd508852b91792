"""A LitServe server with request batching, like in its documentation.

    python -m benchmarks.peers.litserve_server --port 8001 --processes 1

Requests that come within `BATCH_TIMEOUT_S` of each other are one batch of at most `MAX_BATCH_SIZE`. A static
batch has one step count, so a batch of unequal requests is either run group by group (`--unequal group`), or
as a whole with the most steps that one of them asks for (`--unequal most`): quicker, but not what was asked.
"""

import argparse
import os
from collections import defaultdict
from typing import Any

import litserve
import torch
from PIL import Image

from benchmarks.peers.stock import Classifier, Job, Painter, png_base64

MAX_BATCH_SIZE = 64
BATCH_TIMEOUT_S = 0.05


class Paint(litserve.LitAPI):
    """Pictures by the stock pipeline, in static batches.

    Args:
        unequal: What to do with requests of several step counts in one batch: `group` or `most`.
    """

    def __init__(self, unequal: str, **options: Any) -> None:
        super().__init__(**options)
        self._unequal = unequal

    def setup(self, device: str) -> None:
        """Load and warm up."""
        set_threads()
        self._painter = Painter(os.environ["PEER_MODEL"])

    def decode_request(self, request: dict[str, Any]) -> dict[str, Any]:
        """The request is plain JSON already."""
        return request

    def batch(self, inputs: list[Job]) -> list[Job]:
        """No stacking: the pipeline takes a list of prompts."""
        return inputs

    def unbatch(self, output: list[Image.Image]) -> list[Image.Image]:
        """A list again."""
        return output

    def predict(self, jobs: list[Job]) -> list[Image.Image]:
        """One picture for each job."""
        if self._unequal == "most":
            steps = max(job["num_inference_steps"] for job in jobs)
            return self._painter.paint([{**job, "num_inference_steps": steps} for job in jobs])
        groups: dict[Any, list[int]] = defaultdict(list)
        for index, job in enumerate(jobs):
            groups[job["num_inference_steps"], job["guidance_scale"]].append(index)
        painted: dict[int, Image.Image] = {}
        for indices in groups.values():
            pictures = self._painter.paint([jobs[index] for index in indices])
            painted.update(zip(indices, pictures, strict=True))
        return [painted[index] for index in range(len(jobs))]

    def encode_response(self, output: Image.Image) -> dict[str, str]:
        """PNG in base64."""
        return {"image": png_base64(output)}


class Classify(litserve.LitAPI):
    """Classes of pictures, the network run on batches."""

    def setup(self, device: str) -> None:
        """Load and warm up."""
        set_threads()
        self._classifier = Classifier(os.environ["PEER_MODEL"])

    def decode_request(self, request: dict[str, Any]) -> torch.Tensor:
        """The network's input for one request."""
        return self._classifier.tensor(request["image"])

    def batch(self, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
        """Stacked by the classifier."""
        return inputs

    def unbatch(self, output: list[list[Any]]) -> list[list[Any]]:
        """A list again."""
        return output

    def predict(self, tensors: list[torch.Tensor]) -> list[list[list[Any]]]:
        """The best classes of each."""
        return self._classifier.classify(tensors)

    def encode_response(self, output: list[list[Any]]) -> dict[str, Any]:
        """Return the response as JSON."""
        return {"predictions": output}


def set_threads() -> None:
    """Set the number of threads that the benchmark asks for, or keep the default of torch."""
    if threads := os.environ.get("PEER_THREADS"):
        torch.set_num_threads(int(threads))


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description="LitServe with request batching.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--unequal", choices=("group", "most"), default="group")
    options = parser.parse_args()
    batching = {"max_batch_size": MAX_BATCH_SIZE, "batch_timeout": BATCH_TIMEOUT_S}
    paints = os.environ["PEER_WORK"] == "paint"
    api = Paint(options.unequal, **batching) if paints else Classify(**batching)
    # No time limit: an overloaded server is to be slow, not to refuse.
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=options.processes, timeout=False)
    server.run(host="127.0.0.1", port=options.port, generate_client_file=False, log_level="warning")


if __name__ == "__main__":
    main()
