"""The parameters that stand in a picture, whichever program wrote them."""

from collections.abc import Iterator, Mapping
from typing import Any

from brushwork_schemas.artifact.provenance_report import LONGEST_TEXT, EmbeddedParameters

from brushwork_core.provenance.reading import a1111, node_graph
from brushwork_core.provenance.reading.labels import json_object
from brushwork_core.provenance.reading.text_blocks import TextBlocks
from brushwork_core.provenance.reading.xmp import Properties

# The property of brushwork's own JSON.
OURS = ("urn:brushwork:xmp:1.0:", "Parameters")
_STEPS = "Steps: "


def embedded_parameters(texts: TextBlocks, xmp: Properties) -> EmbeddedParameters | None:
    """Return the parameters of a picture; None if it has none.

    Those of brushwork itself come first, because they are complete.

    Args:
        texts: The texts of its file.
        xmp: The properties of its XMP packet.
    """
    return next(_found(texts, xmp), None)


def _found(texts: TextBlocks, xmp: Properties) -> Iterator[EmbeddedParameters]:
    for text in xmp.get(OURS, ()):
        if (stated := json_object(text)) is not None:
            yield _ours(stated, text)
    for text in _a1111_texts(texts):
        request, model = a1111.read(text)
        yield EmbeddedParameters(format="a1111", request=request, model=model, text=text[:LONGEST_TEXT])
    for name, text in _graphs(texts):
        if (graph := json_object(text)) is not None:
            request, model = (node_graph.invokeai if name == "invokeai" else node_graph.comfyui)(graph)
            yield EmbeddedParameters(format=name, request=request, model=model, text=text[:LONGEST_TEXT])


def _ours(stated: Mapping[str, Any], text: str) -> EmbeddedParameters:
    request = stated.get("parameters")
    kind = stated.get("kind")
    request = dict(request) if isinstance(request, Mapping) else {}
    model = request.get("model")
    return EmbeddedParameters(
        format="brushwork",
        kind=kind[:64] if isinstance(kind, str) else None,
        request=request,
        model=model if isinstance(model, str) else None,
        text=text[:LONGEST_TEXT],
    )


def _a1111_texts(texts: TextBlocks) -> Iterator[str]:
    if (text := texts.chunks.get("parameters")) and not text.lstrip().startswith("{"):
        yield text
    for text in (texts.exif.get("UserComment"), texts.comment):
        # Cameras write comments too.
        if text and _STEPS in text and not text.lstrip().startswith("{"):
            yield text


def _graphs(texts: TextBlocks) -> Iterator[tuple[str, str]]:
    for name, chunk in (("invokeai", "invokeai_metadata"), ("comfyui", "prompt")):
        if chunk in texts.chunks:
            yield name, texts.chunks[chunk]
    # ComfyUI has no text chunks in WebP, and uses two EXIF fields instead.
    for name in ("Make", "Model"):
        if (text := texts.exif.get(name, "")).startswith("prompt:"):
            yield "comfyui", text.removeprefix("prompt:")
