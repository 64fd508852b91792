"""The parts of a pipeline that jobs share: modules with weights, tokenizers and processors, configurations.

They are found wherever the pipeline refers to them: in its attributes, in pipelines inside of it, and in
other objects that it holds.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from diffusers import DiffusionPipeline
from diffusers.configuration_utils import FrozenDict
from torch import Tensor, nn
from transformers import FeatureExtractionMixin, PreTrainedTokenizerBase, ProcessorMixin
from transformers.image_processing_base import ImageProcessingMixin

# What is called by one job at a time. Fast tokenizers keep their padding as state.
_PREPROCESSORS = (PreTrainedTokenizerBase, ProcessorMixin, ImageProcessingMixin, FeatureExtractionMixin)
_LEAVES = (str, bytes, int, float, complex, bool, type(None), type, Tensor)


@dataclass
class SharedParts:
    """The parts of one pipeline that its copies share.

    Args:
        modules: The modules by their names. A module inside of another one is not listed.
        preprocessors: Tokenizers, image processors and the like, by their names.
        frozen: Configurations, which nobody can change.
        pipelines: The pipelines inside of it.
    """

    modules: dict[str, nn.Module] = field(default_factory=dict)
    preprocessors: dict[str, Any] = field(default_factory=dict)
    frozen: list[Any] = field(default_factory=list)
    pipelines: list[Any] = field(default_factory=list)

    @classmethod
    def of(cls, pipeline: Any) -> "SharedParts":
        """Return the shared parts of a pipeline."""
        parts = cls()
        # Breadth first: a part has the shortest of its names.
        waiting = deque([("", pipeline)])
        seen = {id(pipeline)}
        while waiting:
            path, owner = waiting.popleft()
            for name, value in _values(owner):
                if id(value) in seen or isinstance(value, _LEAVES):
                    continue
                seen.add(id(value))
                below = f"{path}.{name}".removeprefix(".")
                if not parts._took(below, value):
                    waiting.append((below, value))
        return parts

    def _took(self, name: str, value: Any) -> bool:
        if isinstance(value, nn.Module):
            self.modules[name] = value
        elif isinstance(value, _PREPROCESSORS):
            self.preprocessors[name] = value
        elif isinstance(value, FrozenDict):
            self.frozen.append(value)
        else:
            if isinstance(value, DiffusionPipeline):
                self.pipelines.append(value)
            return False
        return True


def _values(owner: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(owner, dict):
        yield from ((str(key), value) for key, value in owner.items())
    elif isinstance(owner, (list, tuple, set, frozenset)):
        yield from ((str(index), value) for index, value in enumerate(owner))
    else:
        yield from dict(getattr(owner, "__dict__", {})).items()
