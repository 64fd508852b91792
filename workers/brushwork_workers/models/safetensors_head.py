"""Whether a file is whole safetensors, as far as its head tells; no tensor is read."""

import json
import struct
from pathlib import Path

from brushwork_schemas.errors import ModelUnavailable

from brushwork_workers.models.weights import pickled

# The first bytes of what torch.save writes: a zip, or of old a pickle.
_PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
MAX_HEADER_BYTES = 100_000_000


def check_complete(file: Path, name: str) -> None:
    """The file is as long as its head says.

    Raises:
        PickledWeights: It is a pickle under another name.
        ModelUnavailable: It is cut off, or something else altogether.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        prefix = stream.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else size
        header = stream.read(length) if length <= min(size - 8, MAX_HEADER_BYTES) else b""
    # Read as a length, the start of a pickle is longer than any file.
    if not header and prefix.startswith(_PICKLES):
        raise pickled(name)
    if not header or 8 + length + _data_end(header) != size:
        raise ModelUnavailable(
            f"{name} is cut off, or no safetensors file at all.", field="source", hint="Fetch the file again."
        )


def _data_end(header: bytes) -> int:
    try:
        entries = json.loads(header)
        return max((e["data_offsets"][1] for n, e in entries.items() if n != "__metadata__"), default=0)
    except (ValueError, AttributeError, KeyError, TypeError, IndexError):
        return -1
