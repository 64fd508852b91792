"""The time of each part of a small classification job, one after another in one thread.

python -m benchmarks.label_parts [--times 300]
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.ledger import Ledger, NewJob
from brushwork_core.media import pictures
from brushwork_schemas.catalogue import Catalogue
from brushwork_schemas.kinds.image_classification import ImageClassificationRequest
from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.device.cpu import keep_memory
from brushwork_workers.families.classification.torchvision_classifier import TorchvisionClassifier
from brushwork_workers.interface import LoadSpec
from brushwork_workers.models.location import locate

from benchmarks.label_pictures import drawn_pngs

MODEL = "pocket-classifier"
BATCH = 64


def main() -> None:
    """Print milliseconds of each part."""
    parser = argparse.ArgumentParser(description="Parts of a label job.")
    parser.add_argument("--times", type=int, default=300)
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_memory()
    with tempfile.TemporaryDirectory(prefix="brushwork-benchmark-") as folder:
        parts = _parts(Path(folder))
        for name, act in parts.items():
            print(f"{name:<58} {_milliseconds(act, options.times):7.2f} ms")


def _parts(folder: Path) -> dict[str, Callable[[], object]]:
    store = ArtifactStore(str(folder / "artifacts"))
    [file] = drawn_pngs(1)
    sha256 = store.put_picture(file).sha256
    model = Catalogue.load(None).named(MODEL, "image-classification")
    place = LoadSpec(model, locate(model), torch.device("cpu"), torch.float32, SerialExecutor())
    handler = TorchvisionClassifier(place)
    network, picture = handler._model, pictures.decode(file)
    context: Any = SimpleNamespace(picture=lambda name: picture)
    batch = torch.cat([network.tensor(picture)] * BATCH)
    database = Database(f"sqlite:///{folder / 'ledger.sqlite3'}")
    database.migrate()
    ledger = Ledger(database)
    request = ImageClassificationRequest(image=sha256, model=MODEL)
    numbers = iter(range(10**6))

    def protocol() -> None:
        job_id = f"job-{next(numbers)}"
        ledger.submit([NewJob(job_id, model.kinds[0], MODEL, "label", request.model_dump(mode="json"))])
        claim = ledger.claim(job_id, "worker")
        assert claim is not None  # noqa: S101 - nobody else is there
        ledger.complete(job_id, claim.fence, {"predictions": []})

    @torch.no_grad()
    def forward() -> object:
        return network.network(batch)

    return {
        "read the picture from the store": lambda: store.get(sha256),
        "decode it, 224x224": lambda: pictures.decode(file),
        "make it the network's input": lambda: network.tensor(picture),
        "perform, from the decoded picture to the labels, alone": lambda: handler.perform(request, context),
        f"the network, {BATCH} pictures at once, for one of them": _shared(forward, BATCH),
        "submit, claim and complete, each a durable commit": protocol,
    }


def _shared(act: Callable[[], object], among: int) -> Callable[[], object]:
    """Called `among` times, it acts once."""
    calls = iter(range(10**9))
    return lambda: act() if next(calls) % among == 0 else None


def _milliseconds(act: Callable[[], object], times: int) -> float:
    act()
    began = time.perf_counter()
    for _ in range(times):
        act()
    return 1000 * (time.perf_counter() - began) / times


if __name__ == "__main__":
    main()
