"""Which options of a catalogue entry an engine can be combined with."""

from typing import Protocol

from brushwork_schemas.wording.phrase import said

# The number formats of each engine on a CPU.
PRECISIONS = {
    "torch": ("float32",),
    "onnxruntime": ("float32", "int8"),
    "openvino": ("float32", "bfloat16"),
}


class EngineEntry(Protocol):
    """The fields of a catalogue entry that concern its engine."""

    @property
    def engine(self) -> str:
        """Name of the engine."""
        ...

    @property
    def engine_precision(self) -> str:
        """Number format in which the engine computes."""
        ...

    @property
    def dtype(self) -> str:
        """Number format of the weights."""
        ...

    @property
    def quantization(self) -> str:
        """Quantization of the weights by torchao."""
        ...

    @property
    def placement(self) -> str:
        """Where the modules are."""
        ...

    @property
    def compile(self) -> bool:
        """Whether torch compiles the largest module."""
        ...


def check_engine(entry: EngineEntry) -> None:
    """Check that the engine of an entry can do what the entry requests.

    Raises:
        ValueError: It cannot; the message names the field.
    """
    if entry.engine_precision not in PRECISIONS[entry.engine]:
        raise ValueError(
            said(
                "engine_precision: {engine} does not compute in {precision}; it supports {supported}",
                engine=entry.engine,
                precision=entry.engine_precision,
                supported=PRECISIONS[entry.engine],
            )
        )
    if entry.engine == "torch":
        return
    given = {"dtype": entry.dtype, "quantization": entry.quantization, "placement": entry.placement}
    allowed = {"dtype": ("auto", "float32"), "quantization": ("none",), "placement": ("auto", "cpu")}
    for field, value in given.items():
        if value not in allowed[field]:
            raise ValueError(
                said(
                    "{field}: {value!r} needs engine = 'torch', not {engine!r}",
                    field=field,
                    value=value,
                    engine=entry.engine,
                )
            )
    if entry.compile:
        raise ValueError(said("compile: it needs engine = 'torch', not {engine!r}", engine=entry.engine))
