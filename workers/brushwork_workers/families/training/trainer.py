"""A network in training, with its optimizer."""

from collections.abc import Mapping

import torch
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.image_classification_training import ImageClassificationTrainingRequest
from brushwork_schemas.wording.phrase import said
from torch import Tensor
from torch.nn import functional

from brushwork_workers.families.finite import damaged_weights, not_finite
from brushwork_workers.families.training.architecture import Architecture, head_name
from brushwork_workers.families.training.dataset_split import Examples
from brushwork_workers.families.training.preparation import Preparation
from brushwork_workers.families.training.rng import seeded

_NETWORK, _OPTIMIZER = "network.", "optimizer."
State = dict[str, Tensor]


class Trainer:
    """Trains a network step by step; one step is one batch.

    Call all methods on the device thread, where they run between the calls of other jobs. Training uses
    float32: half precision needs gradient scaling, which does not pay off for small networks.

    Args:
        request: The complete request, with the settings of the optimizer.
        architecture: The network to start from.
        num_classes: The number of classes.
        preparation: The preprocessing of pictures.
        device: The device to train on.

    Raises:
        InvalidRequest: The network does not accept pictures of the requested size.
    """

    def __init__(
        self,
        request: ImageClassificationTrainingRequest,
        architecture: Architecture,
        num_classes: int,
        preparation: Preparation,
        device: torch.device,
    ) -> None:
        self._model = request.model or architecture.name
        self._seed = request.seed or 0
        self._is_frozen = request.freeze_backbone
        self._preparation = preparation
        self._device = device
        with seeded(device, self._seed, "weights"):
            network = architecture.network(num_classes, preparation.image_size)
        self._network = network.to(device)
        if self._is_frozen:
            network.requires_grad_(False)
            network.get_submodule(head_name(network)).requires_grad_(True)
        self._check_size()
        self._trained_names = {name for name in network.state_dict() if self._is_trained(name)}
        optimizer_class = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[request.optimizer]
        parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._optimizer = optimizer_class(
            parameters, lr=request.learning_rate, weight_decay=request.weight_decay
        )

    def step(self, batch: Examples, number: int) -> tuple[float, int]:
        """Train on one batch.

        Args:
            batch: The examples, on the CPU.
            number: The number of the step, counted from 0 over all epochs. It seeds dropout.

        Returns:
            The mean cross-entropy of the batch, and how many predictions were correct before the step.

        Raises:
            InvalidRequest: The loss is not finite.
            NotFinite: The loss of the very first step is not finite.
        """
        # Gradients are off by default in the device thread.
        with torch.enable_grad(), seeded(self._device, self._seed, "step", number):
            self._network.train(not self._is_frozen)
            self._optimizer.zero_grad(set_to_none=True)
            labels = batch.labels.to(self._device)
            logits = self._logits(batch.pixels)
            loss = functional.cross_entropy(logits, labels)
            loss.backward()
            self._optimizer.step()
        value = loss.item()
        if not torch.isfinite(loss):
            # The loss of the first step is that of the weights in the files.
            if number == 0:
                raise not_finite(self._model, "network to train", self._network)
            raise InvalidRequest(
                said(
                    "learning_rate: too high, the loss became {value} in step {number}.",
                    value=value,
                    number=number,
                ),
                field="learning_rate",
                hint="Use a smaller learning_rate, for example a tenth of it.",
            )
        return value, int((logits.argmax(1) == labels).sum())

    def evaluate_batch(self, batch: Examples) -> tuple[float, Tensor]:
        """Return the mean cross-entropy of a batch and the predicted classes, int64 [n] on the CPU.

        Raises:
            InvalidRequest: The loss is not finite.
        """
        self._network.eval()
        logits = self._logits(batch.pixels)
        loss = functional.cross_entropy(logits, batch.labels.to(self._device))
        if not torch.isfinite(loss):
            raise _diverged("validation loss")
        return loss.item(), logits.argmax(1).cpu()

    def logits(self, pixels: Tensor) -> Tensor:
        """Return the logits of prepared pictures, float32 [n, classes] on the CPU.

        Args:
            pixels: The pictures, uint8 [n, 3, side, side].
        """
        self._network.eval()
        return self._logits(pixels).float().cpu()

    def weights(self) -> State:
        """Return a copy of all weights of the network, on the CPU, float32.

        Raises:
            InvalidRequest: A weight is not finite.
        """
        weights = {name: _copy(value) for name, value in self._network.state_dict().items()}
        if damaged := damaged_weights(weights.items()):
            raise _diverged(damaged[0])
        return weights

    def trained_weights(self) -> State:
        """Return a copy of the weights that training can change, on the CPU, float32."""
        return {name: value for name, value in self.weights().items() if name in self._trained_names}

    def load_trained(self, trained_weights: Mapping[str, Tensor]) -> None:
        """Load weights that `trained_weights` has returned."""
        self._network.load_state_dict({**self._network.state_dict(), **trained_weights})

    def state(self) -> State:
        """Return the state of network and optimizer that `resume` needs, on the CPU."""
        moments = self._optimizer.state_dict()["state"]
        state = {f"{_NETWORK}{name}": value for name, value in self.trained_weights().items()}
        for index, values in moments.items():
            state |= {f"{_OPTIMIZER}{index}.{name}": _copy(value) for name, value in values.items()}
        return state

    def resume(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a state that `state` has returned.

        Raises:
            ValueError: The state belongs to another network.
        """
        trained_weights = {
            key.removeprefix(_NETWORK): state[key] for key in state if key.startswith(_NETWORK)
        }
        if set(trained_weights) != self._trained_names:
            raise ValueError("the checkpoint is of another network")
        moments: dict[int, State] = {}
        for key in state:
            if key.startswith(_OPTIMIZER):
                index, name = key.removeprefix(_OPTIMIZER).split(".")
                moments.setdefault(int(index), {})[name] = state[key]
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.load_trained(trained_weights)

    def _logits(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self._network(self._preparation.normalised(pixels.to(self._device)))
        return logits

    def _is_trained(self, name: str) -> bool:
        known = dict(self._network.named_parameters())
        return known[name].requires_grad if name in known else not self._is_frozen

    def _check_size(self) -> None:
        side = self._preparation.image_size
        try:
            with torch.no_grad():
                self._network.eval()(torch.zeros(1, 3, side, side, device=self._device))
        except torch.OutOfMemoryError:
            raise
        # Layers raise different errors for pictures that are too small.
        except (RuntimeError, ValueError, AssertionError) as error:
            raise InvalidRequest(
                said(
                    "image_size: the network does not accept pictures of {side} x {side} pixels.", side=side
                ),
                field="image_size",
                hint="Leave image_size out to use the default of the model.",
            ) from error


def _copy(value: Tensor) -> Tensor:
    return value.detach().to("cpu", copy=True).contiguous()


def _diverged(what: str) -> InvalidRequest:
    return InvalidRequest(
        said("learning_rate: too high, {what} became infinite or not a number.", what=what),
        field="learning_rate",
        hint="Use a smaller learning_rate, for example a tenth of it.",
    )
