"""The header of a safetensors file: whether the file is complete, and which tensors it has."""

import json
import struct
from dataclasses import dataclass
from pathlib import Path

from brushwork_schemas.errors import ModelUnavailable
from brushwork_schemas.wording.phrase import said

from brushwork_workers.models.weights import pickled

# The first bytes of files of torch.save: a zip archive, or a pickle in old versions.
_PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
MAX_HEADER_BYTES = 100_000_000


@dataclass(frozen=True)
class TensorHead:
    """What the header of a file says about one tensor.

    Args:
        dtype: Number format as safetensors names it: F32, F16, BF16, F8_E4M3, ...
        shape: Its sizes.
        num_bytes: Bytes that it takes in the file.
    """

    dtype: str
    shape: tuple[int, ...]
    num_bytes: int


def tensor_heads(file: Path) -> dict[str, TensorHead]:
    """Return the tensors of a file by name.

    Raises:
        PickledWeights: The file is a pickle with another suffix.
        ModelUnavailable: The file is cut off, or is not a safetensors file.
    """
    check_complete(file, file.name)
    with file.open("rb") as stream:
        header = json.loads(stream.read(struct.unpack("<Q", stream.read(8))[0]))
    header.pop("__metadata__", None)
    try:
        return {
            name: TensorHead(
                head["dtype"], tuple(head["shape"]), head["data_offsets"][1] - head["data_offsets"][0]
            )
            for name, head in header.items()
        }
    except (KeyError, TypeError) as error:
        raise _damaged(file.name) from error


def check_complete(file: Path, name: str) -> None:
    """Check that a file is as long as its header says.

    Raises:
        PickledWeights: The file is a pickle with another suffix.
        ModelUnavailable: The file is cut off, or is not a safetensors file.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        prefix = stream.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else size
        header = stream.read(length) if length <= min(size - 8, MAX_HEADER_BYTES) else b""
    # The first bytes of a pickle, read as a length, exceed the size of any file.
    if not header and prefix.startswith(_PICKLES):
        raise pickled(name)
    if not header or 8 + length + _data_end(header) != size:
        raise _damaged(name)


def _damaged(name: str) -> ModelUnavailable:
    return ModelUnavailable(
        said("{name} is cut off, or is not a safetensors file.", name=name),
        field="source",
        hint="Download the file again.",
    )


def _data_end(header: bytes) -> int:
    try:
        entries = json.loads(header)
        return max((e["data_offsets"][1] for n, e in entries.items() if n != "__metadata__"), default=0)
    except (ValueError, AttributeError, KeyError, TypeError, IndexError):
        return -1


def keys_of(file: Path) -> tuple[str, ...]:
    """Return the names of the tensors of a complete safetensors file."""
    with file.open("rb") as stream:
        header = json.loads(stream.read(struct.unpack("<Q", stream.read(8))[0]))
    return tuple(name for name in header if name != "__metadata__")
