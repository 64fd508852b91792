"""IP-Adapters of a shared model: pictures as prompt. Each job has its own choice of adapters.

diffusers loads an IP-Adapter into the UNet for good: every later call must have pictures, and the weights of
the adapters are attributes of the UNet. Here, the UNet keeps its own attention processors, and those of the
adapters are put into it only for the calls that name them. A call without adapters runs the UNet as it was
loaded.
"""

import logging
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from brushwork_schemas.errors import InvalidRequest, ModelNotHere, ModelUnavailable, NotFinite
from brushwork_schemas.kinds.generation import IpAdapterChoice
from brushwork_schemas.warnings import ResultWarning, result_warning
from brushwork_schemas.wording.phrase import private, said
from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0
from diffusers.models.embeddings import MultiIPAdapterImageProjection
from PIL import Image
from torch import Tensor, nn

from brushwork_workers.batching.call_options import Adapters
from brushwork_workers.batching.model_executor import ModuleProxy
from brushwork_workers.families.diffusion.conditioning.ip_adapter_file import (
    IpAdapter,
    adapter_file_of,
    encoder_folder,
    read_attention,
    read_image_encoder,
)
from brushwork_workers.interface import LoadSpec

LOGGER = logging.getLogger(__name__)
Weights = tuple[tuple[str, float], ...]
_ARGUMENT = "ip_adapter_image_embeds"


@dataclass(frozen=True)
class DenoiserState:
    """The adapters of a UNet: LoRA adapters, and IP-Adapters with their weights. Equal states share batches.

    Args:
        loras: The LoRA adapters; None if the model takes none.
        ip_adapters: The IP-Adapters of the loaded model. The reference is weak, as in `LoraSet`.
        weights: The weight of each IP-Adapter, sorted by name. No weight is 0.
    """

    loras: Adapters | None
    ip_adapters: "weakref.ref[IpAdapters]"
    weights: Weights

    @property
    def is_neutral(self) -> bool:
        """Whether no adapter is chosen, so that the module computes what its own weights say."""
        return not self.weights and (self.loras is None or bool(getattr(self.loras, "is_neutral", False)))

    def activate(self, module: Any) -> None:
        """Activate these adapters in the UNet, and no others."""
        if self.loras is not None:
            self.loras.activate(module)
        ip_adapters = self.ip_adapters()
        if ip_adapters is not None:
            ip_adapters.activate(module, self.weights)


@dataclass(frozen=True)
class PicturePrompts:
    """The IP-Adapters and pictures of one job.

    Args:
        weights: The weight of each adapter, sorted by name.
        pictures: The pictures of each adapter, in the same order.
    """

    weights: Weights = ()
    pictures: tuple[Sequence[Image.Image], ...] = ()


class IpAdapters:
    """The IP-Adapters of one loaded pipeline. Each is loaded for the first job that needs it, and then kept.

    Args:
        pipeline: The loaded `DiffusionPipeline`.
        spec: The load spec of the model, with the adapters on this machine.
    """

    def __init__(self, pipeline: Any, spec: LoadSpec) -> None:
        self._pipeline = pipeline
        self._unet = pipeline.components.get("unet")
        self._spec = spec
        self._loaded: dict[str, IpAdapter] = {}
        # Adapters of one source share its image encoder.
        self._encoders: dict[Path | None, tuple[Any, Any]] = {}
        self._loading = threading.Lock()
        self._own_processors: dict[str, Any] = {}
        self._own_projection: tuple[Any, Any] = (None, None)
        self._active: Weights | None = ()

    def select(
        self, choices: Sequence[IpAdapterChoice], pictures: Mapping[str, Image.Image]
    ) -> PicturePrompts:
        """Load the adapters that a job asks for, and return its choice. Adapters of weight 0 are left out.

        Args:
            choices: The adapters of the request.
            pictures: Its pictures by SHA-256.

        Raises:
            ModelUnavailable: An adapter is not on this machine, or does not fit the model.
            NotFinite: A weight of an adapter is not finite.
        """
        chosen = sorted((each for each in choices if each.weight), key=lambda each: each.name)
        for choice in chosen:
            with self._loading:
                if choice.name not in self._loaded:
                    self._load(choice.name)
        return PicturePrompts(
            tuple((each.name, each.weight) for each in chosen),
            tuple([pictures[sha256] for sha256 in each.images] for each in chosen),
        )

    def state(self, loras: Adapters | None, prompts: PicturePrompts) -> Adapters | None:
        """Return the state that calls of the UNet name. None if the model has no UNet."""
        if self._unet is None:
            return loras
        return DenoiserState(loras, weakref.ref(self), prompts.weights)

    def arguments(self, pipeline: Any, prompts: PicturePrompts, *, is_guided: bool) -> dict[str, Any]:
        """Return the arguments of a pipeline for the pictures of its job.

        Args:
            pipeline: The pipeline of the job.
            prompts: Its adapters and pictures.
            is_guided: Whether the pipeline uses classifier-free guidance.
        """
        if not prompts.weights:
            return {}
        found = [
            self._embeddings(pipeline, self._loaded[name], pictures, is_guided=is_guided)
            for (name, _), pictures in zip(prompts.weights, prompts.pictures, strict=True)
        ]
        return {_ARGUMENT: found}

    def activate(self, module: nn.Module, weights: Weights) -> None:
        """Activate adapters in the UNet, and no others. Call it on the device thread between two calls."""
        if module is not self._unet or self._active == weights:
            return
        # If the change fails half way, the state is unknown.
        self._active = None
        processors, (projection, kind) = self._own_processors, self._own_projection
        if weights:
            adapters = [self._loaded[name] for name, _ in weights]
            scales = [weight for _, weight in weights]
            own = self._own_processors.items()
            processors = {
                name: _joined([each.processors[name] for each in adapters], scales)
                if name in adapters[0].processors
                else each
                for name, each in own
            }
            projection = MultiIPAdapterImageProjection([each.projection for each in adapters])
            kind = "ip_image_proj"
        # Before the processors, because the projection of an IP-Adapter Plus has some of its own.
        module.encoder_hid_proj = None
        module.set_attn_processor(dict(processors))
        module.encoder_hid_proj = projection
        module.config.encoder_hid_dim_type = kind
        self._active = weights

    def _embeddings(
        self, pipeline: Any, adapter: IpAdapter, pictures: Sequence[Image.Image], *, is_guided: bool
    ) -> Tensor:
        """Return the embeddings of pictures: [1, pictures, ...], or with guidance [blank and shown, ...]."""
        options = replace(self._spec.options, part="image_encoder")
        encoder = ModuleProxy(adapter.image_encoder, self._spec.model_executor, options)
        own = {name: pipeline.__dict__.get(name) for name in ("image_encoder", "feature_extractor")}
        # The safety checker uses the feature extractor of the pipeline afterwards.
        pipeline.__dict__.update(image_encoder=encoder, feature_extractor=adapter.image_processor)
        try:
            shown, blank = pipeline.encode_image(
                list(pictures), pipeline._execution_device, 1, adapter.takes_hidden_states
            )
        finally:
            pipeline.__dict__.update(own)
        return torch.stack([blank, shown] if is_guided else [shown])

    def _load(self, name: str) -> None:
        found = self._spec.add_ons.get(name)
        if found is None:
            raise ModelNotHere(
                said("The IP-Adapter {name} is not on this machine.", name=name),
                field="ip_adapters",
                hint=said(
                    "Run `brushwork models pull {name}` on the worker's machine, and restart the worker.",
                    name=name,
                ),
            )
        file = adapter_file_of(found)
        folder = encoder_folder(found)
        if folder not in self._encoders:
            self._encoders[folder] = read_image_encoder(found, folder, self._pipeline, self._spec)
        try:
            # On the device thread: no call of the UNet may run while its processors are listed.
            processors, projection = self._spec.model_executor.call(self._spec.options, self._read, file)
        except NotFinite:
            raise
        # A damaged file can raise any exception. It affects only this adapter, not the model.
        except Exception as error:
            raise ModelUnavailable(
                said(
                    "The IP-Adapter {name} does not fit {model}: {error}.",
                    name=name,
                    model=self._spec.model.name,
                    error=private(error),
                ),
                field="ip_adapters",
                hint=said(
                    "Check that {file} is an IP-Adapter for the family {family}.",
                    file=private(file, "its file"),
                    family=self._spec.model.family,
                ),
            ) from error
        self._loaded[name] = IpAdapter(processors, projection, *self._encoders[folder])
        LOGGER.info("IP-Adapter %s is ready for %s", name, self._spec.model.name)

    def _read(self, file: Path) -> tuple[dict[str, Any], nn.Module]:
        if not self._own_processors:
            self._own_processors = dict(self._unet.attn_processors)
            kind = self._unet.config.encoder_hid_dim_type
            self._own_projection = self._unet.encoder_hid_proj, kind
        # The layers of a file are numbered by the UNet's own processors.
        self.activate(self._unet, ())
        return read_attention(file, self._unet, self._spec)


def picture_warnings(choices: Sequence[IpAdapterChoice]) -> list[ResultWarning]:
    """Return the warnings for adapters whose weight is 0."""
    return [
        result_warning("ip_adapter_off", "ip_adapters", adapter=choice.name)
        for choice in choices
        if not choice.weight
    ]


def check_takes_pictures(pipeline: Any, kind: str, accepted: Mapping[str, Any]) -> None:
    """Refuse pictures as prompt for a pipeline whose call does not take them.

    Args:
        pipeline: The pipeline of the job.
        kind: The kind of the job.
        accepted: The parameters of its call.

    Raises:
        InvalidRequest: It takes none.
    """
    if _ARGUMENT not in accepted:
        raise InvalidRequest(
            said(
                "ip_adapters: {pipeline} takes no pictures as prompt for {kind}.",
                pipeline=type(pipeline).__name__,
                kind=kind,
            ),
            field="ip_adapters",
            hint="Leave ip_adapters out, or choose another model.",
        )


def _joined(processors: Sequence[Any], scales: Sequence[float]) -> Any:
    """Return one processor for several adapters, which shares their layers."""
    first = processors[0]
    made = IPAdapterAttnProcessor2_0.__new__(IPAdapterAttnProcessor2_0)
    nn.Module.__init__(made)
    made.hidden_size, made.cross_attention_dim = first.hidden_size, first.cross_attention_dim
    made.num_tokens = [each.num_tokens[0] for each in processors]
    made.scale = list(scales)
    made.to_k_ip = nn.ModuleList(each.to_k_ip[0] for each in processors)
    made.to_v_ip = nn.ModuleList(each.to_v_ip[0] for each in processors)
    return made
