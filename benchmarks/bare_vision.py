"""A direct call of torchvision: from the bytes of a picture to classes, without queue or store.

python -m benchmarks.bare_vision MODEL FOLDER PICTURE... prints the peak memory of such a process, in bytes.
"""

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import psutil
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional
from torchvision.models import get_weight, resnet50
from torchvision.models.segmentation import fcn_resnet101

WEIGHTS = {
    "fcn_resnet101": "FCN_ResNet101_Weights.COCO_WITH_VOC_LABELS_V1",
    "resnet50": "ResNet50_Weights.IMAGENET1K_V2",
}


def untrained(model: str) -> torch.nn.Module:
    """The network in the form that torchvision publishes weights for."""
    if model == "resnet50":
        network: torch.nn.Module = resnet50(weights=None)
        return network
    # With the part that only training needs, as the published file has it.
    network = fcn_resnet101(weights=None, weights_backbone=None, aux_loss=True)
    return network


class BareVision:
    """A network of torchvision at full size, float32 on the CPU, warmed up.

    Args:
        model: A key of `WEIGHTS`.
        folder: Where `model.safetensors` is.
    """

    def __init__(self, model: str, folder: Path) -> None:
        self._network = cast(Any, untrained(model))
        self._network.load_state_dict(load_file(folder / "model.safetensors"))
        # brushwork leaves it out, too.
        self._network.aux_classifier = None
        self._network.eval()
        self._transform = get_weight(WEIGHTS[model]).transforms()
        self.answer_all([_black()])

    @torch.inference_mode()
    def answer_all(self, files: Sequence[bytes]) -> list[Tensor]:
        """The classes of pictures of one size, in one batch: of each pixel, or the five best of the whole."""
        pictures = [Image.open(io.BytesIO(file)).convert("RGB") for file in files]
        answers = self._network(torch.stack([self._transform(picture) for picture in pictures]))
        if isinstance(answers, Tensor):
            return list(answers.softmax(-1).topk(5).indices)
        size = (pictures[0].height, pictures[0].width)
        return [_classes(scores, size) for scores in answers["out"]]


def _classes(scores: Tensor, size: tuple[int, int]) -> Tensor:
    return functional.interpolate(scores[None], size=size, mode="bilinear", align_corners=False)[0].argmax(0)


def _black() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (640, 480)).save(stream, "PNG")
    return stream.getvalue()


def peak_bytes(pid: int) -> int:
    """The most memory that a process ever had resident, in bytes."""
    status = Path(f"/proc/{pid}/status")
    if not status.is_file():
        return int(psutil.Process(pid).memory_info().rss)
    lines = dict(line.split(":", 1) for line in status.read_text("ascii").splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024


def main() -> None:
    """All pictures of the command line, one after another, then in one batch."""
    model, folder, *pictures = sys.argv[1:]
    bare = BareVision(model, Path(folder))
    files = [Path(picture).read_bytes() for picture in pictures]
    for file in files:
        bare.answer_all([file])
    bare.answer_all(files)
    print(peak_bytes(psutil.Process().pid))


if __name__ == "__main__":
    main()
