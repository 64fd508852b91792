"""Plausible explanations for the results of fake clients."""

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from brushwork_schemas.job import Job
from brushwork_schemas.kinds.explanations.calls import num_calls
from brushwork_schemas.kinds.explanations.content_words import content_words
from brushwork_schemas.kinds.explanations.request import Explain
from brushwork_schemas.kinds.registry import kind_named
from PIL import Image, ImageOps

# The most important place of each further map, as shares of width and height.
_PLACES = ((0.5, 0.5), (0.3, 0.3), (0.7, 0.3), (0.3, 0.7), (0.7, 0.7))
# The share of the shorter side within which a place is important.
_RADIUS = 0.45
_COLOURS = ("#440154", "#21918c", "#fde725")
_SCORE, _BASELINE, _WORD_STRENGTH, _LOGPROB = 0.7, 0.05, 0.2, -0.05
_NATS = 1.6


@dataclass(frozen=True)
class _Sketch:
    """What the explanation of one job is drawn from.

    Args:
        explain: What was asked for.
        fields: The fields of the result.
        picture: Pixels of the picture that is explained.
        made: The same picture as the result has it.
    """

    explain: Explain
    fields: Mapping[str, Any]
    picture: Image.Image
    made: Any

    def map(
        self, label: str, place: int = 0, *, score: float | None = None, high: float = 1.0
    ) -> dict[str, Any]:
        """Return a map with one important place."""
        grey = _bump(self.picture.size, _PLACES[place % len(_PLACES)])
        return {
            "label": label,
            # Eight bits are as many as a sketch needs: 255 becomes 65535.
            "map": grey.convert("I").point(lambda value: value * 257).convert("I;16"),
            "min": 0.0,
            "max": high,
            "overlay": _overlay(self.picture, grey),
            "score": score,
        }


def sample_explanation(
    job: Job, fields: Mapping[str, Any], read: Callable[[str], Image.Image]
) -> Mapping[str, Any] | None:
    """Return the explanation that a result gets, with pictures as PIL images; None if none was asked for.

    Args:
        job: The job.
        fields: The fields of its result.
        read: Reads a picture of the request.
    """
    explain = getattr(job.request, "explain", None)
    if not isinstance(explain, Explain) or explain.method is None:
        return None
    name = kind_named(job.kind).main_picture(job.request)
    given = read(name) if name is not None else None
    first = (fields.get("images") or [given])[0]
    sketch = _Sketch(explain, fields, _pixels(first), first)
    size = given.size if given is not None else (0, 0)
    return {
        "method": explain.method,
        **_MAKERS[explain.method](sketch, job),
        "num_calls": num_calls(job.request, *size),
    }


def _of_class(sketch: _Sketch, job: Job) -> dict[str, Any]:
    scores = {each["label"]: each["score"] for each in sketch.fields.get("predictions", ())}
    target = sketch.explain.target or next(iter(scores), "")
    score = scores.get(target, _SCORE)
    measured = {"faithfulness": {"deletion": 0.15, "insertion": 0.9}} if sketch.explain.faithfulness else {}
    return {
        "target": target,
        "maps": [sketch.map(target, score=score, high=score)],
        "baseline": None if sketch.explain.method == "grad-cam" else _BASELINE,
        **measured,
    }


def _of_pixels(sketch: _Sketch, job: Job) -> dict[str, Any]:
    target = sketch.explain.target
    maps = [sketch.map("confidence"), sketch.map("entropy", 1, high=_NATS)]
    if target is None:
        return {"maps": maps}
    covered = sketch.map(target, 2, score=_SCORE, high=_SCORE)
    return {"target": target, "maps": [*maps, covered], "baseline": _BASELINE}


def _of_text(sketch: _Sketch, job: Job) -> dict[str, Any]:
    text = str(sketch.fields.get("generated_text", ""))
    words = text.split() if " " in text else list(text)
    chosen = sketch.explain.words or content_words(text)
    return {
        "tokens": [{"text": word, "logprob": _LOGPROB * number} for number, word in enumerate(words, 1)],
        "maps": [sketch.map(word, place, score=_LOGPROB, high=_SCORE) for place, word in enumerate(chosen)],
    }


def _of_words(sketch: _Sketch, job: Job) -> dict[str, Any]:
    return {"maps": list(_word_maps(sketch, job.request.prompt))}


def _word_maps(sketch: _Sketch, prompt: str) -> Iterator[Mapping[str, Any]]:
    for place, word in enumerate(sketch.explain.words or content_words(prompt) or [prompt.strip()]):
        made = sketch.map(word, place, score=_WORD_STRENGTH, high=_WORD_STRENGTH)
        # Without the word, the picture is another one where the word matters.
        grey = _bump(sketch.picture.size, _PLACES[place % len(_PLACES)])
        changed = Image.composite(ImageOps.invert(sketch.picture), sketch.picture, grey)
        yield {**made, "pair": (sketch.made, changed)}


_MAKERS: Mapping[str, Callable[[_Sketch, Job], dict[str, Any]]] = {
    "occlusion": _of_class,
    "integrated-gradients": _of_class,
    "grad-cam": _of_class,
    "confidence": _of_pixels,
    "tokens": _of_text,
    "words": _of_words,
}


def _pixels(picture: Any) -> Image.Image:
    """Return a picture that a test has given: a PIL image, or the bytes of a file."""
    if isinstance(picture, bytes):
        with Image.open(io.BytesIO(picture)) as opened:
            return opened.convert("RGB")
    return picture.convert("RGB") if isinstance(picture, Image.Image) else Image.new("RGB", (64, 64), "gray")


def _bump(size: tuple[int, int], place: tuple[float, float]) -> Image.Image:
    """Return a grey picture of a size that is white at a place and black far from it."""
    width, height = size
    side = max(2, round(2 * _RADIUS * min(size)))
    light = ImageOps.invert(Image.radial_gradient("L")).resize((side, side))
    canvas = Image.new("L", size, 0)
    canvas.paste(light, (round(place[0] * width - side / 2), round(place[1] * height - side / 2)))
    return canvas


def _overlay(picture: Image.Image, grey: Image.Image) -> Image.Image:
    low, middle, high = _COLOURS
    colours = ImageOps.colorize(grey, low, high, mid=middle)
    return Image.blend(picture.convert("L").convert("RGB"), colours, 0.6)
