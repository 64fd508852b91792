"""Classes, segments, captions, larger pictures and trainings that are not finite fail, and name the part."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from brushwork_schemas.catalogue import Catalogue
from brushwork_schemas.errors import InvalidRequest, NotFinite
from brushwork_schemas.kinds.image_classification import ImageClassificationRequest
from brushwork_schemas.kinds.image_segmentation import ImageSegmentationRequest
from brushwork_schemas.kinds.image_to_text import ImageToTextRequest
from brushwork_workers.batching.model_executor import SerialExecutor
from brushwork_workers.families.loaders import Loaders
from brushwork_workers.families.training.trainer import Trainer
from brushwork_workers.interface import Handler, LoadSpec
from brushwork_workers.models.location import locate
from PIL import Image

from tests.desks import PlainDesk
from tests.trainings import trained

NAN, INF = float("nan"), float("inf")
REQUESTS: dict[str, Callable[[str], Any]] = {
    "image-classification": lambda image: ImageClassificationRequest(image=image),
    "image-segmentation": lambda image: ImageSegmentationRequest(image=image),
    "image-to-text": lambda image: ImageToTextRequest(image=image, max_new_tokens=4),
}


def loaded(kind: str) -> tuple[Handler, Any]:
    """A model that ships with the package, and its network."""
    model = Catalogue.load().of_kind(kind)[0]
    device = torch.device("cpu")
    spec = LoadSpec(model, locate(model), device, torch.float32, SerialExecutor(), model.kinds)
    modules = Loaders()[model.family](spec)
    return modules.handlers[kind], modules.modules[0]


def spoil(network: Any, value: float) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.view(-1)[0] = value


@pytest.mark.parametrize("value", [NAN, INF])
@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("image-classification", "classifier"),
        ("image-segmentation", "segmentation network"),
        ("image-to-text", "caption network"),
    ],
)
def test_a_damaged_network_is_named(kind: str, part: str, value: float) -> None:
    handler, network = loaded(kind)
    desk = PlainDesk()
    request = REQUESTS[kind](desk.give(Image.linear_gradient("L").convert("RGB").resize((64, 64))))
    assert handler.perform(request, desk)
    spoil(network, value)
    with pytest.raises(
        NotFinite, match=f"The {part} of [a-z-]+ computed values that are not finite"
    ) as raised:
        handler.perform(request, desk)
    assert raised.value.fault == "operator"


@pytest.mark.parametrize("options", [{"num_beams": 3}, {"do_sample": True, "num_return_sequences": 2}])
def test_captions_by_beams_and_by_chance(options: dict[str, Any]) -> None:
    handler, network = loaded("image-to-text")
    desk = PlainDesk()
    image = desk.give(Image.new("RGB", (64, 64), "red"))
    request = ImageToTextRequest(image=image, max_new_tokens=4, seed=1, **options)
    assert all(each.score is not None for each in handler.perform(request, desk)["candidates"])
    spoil(network, NAN)
    with pytest.raises(NotFinite):
        handler.perform(request, desk)


class TestTraining:
    def test_a_network_that_is_damaged_before_the_first_step(self, monkeypatch: pytest.MonkeyPatch) -> None:
        made = Trainer.__init__

        def damaged(trainer: Trainer, *args: Any) -> None:
            made(trainer, *args)
            spoil(trainer._network, NAN)

        monkeypatch.setattr(Trainer, "__init__", damaged)
        with pytest.raises(NotFinite, match="network to train") as raised:
            trained(PlainDesk())
        assert raised.value.fault == "operator"

    def test_weights_that_diverge_in_the_last_step(self, monkeypatch: pytest.MonkeyPatch) -> None:
        step = Trainer.step

        def last(trainer: Trainer, batch: Any, number: int) -> Any:
            answer = step(trainer, batch, number)
            spoil(trainer._network, INF)
            return answer

        monkeypatch.setattr(Trainer, "step", last)
        with pytest.raises(InvalidRequest, match="became infinite") as raised:
            trained(PlainDesk(), num_train_epochs=1, per_device_train_batch_size=64, validation_split=0.0)
        assert raised.value.field == "learning_rate"

    def test_a_loss_of_the_evaluation(self, monkeypatch: pytest.MonkeyPatch) -> None:
        step = Trainer.step

        def last(trainer: Trainer, batch: Any, number: int) -> Any:
            answer = step(trainer, batch, number)
            spoil(trainer._network, NAN)
            return answer

        monkeypatch.setattr(Trainer, "step", last)
        with pytest.raises(InvalidRequest, match="validation loss became infinite"):
            trained(PlainDesk(), num_train_epochs=1, per_device_train_batch_size=64)
