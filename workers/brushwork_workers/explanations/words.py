"""Explains a picture by the words of its prompt: how it differs from the picture with one word changed.

Both pictures have the same seed and the same settings, so what differs comes from the word. The map of a word
is the difference of each pixel, averaged over the colour channels, 0 to 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.kinds.explanations.changed_words import WordChange
from brushwork_schemas.kinds.explanations.result import Explanation, ExplanationMap
from brushwork_schemas.warnings import result_warning
from PIL import Image

from brushwork_workers.explanations.map_files import saved_map
from brushwork_workers.interface import JobContext

Floats = npt.NDArray[np.float32]
# Why there is no picture of a changed prompt; keys of `brushwork_schemas.warnings.REASONS`.
HIDDEN, NOT_FINITE = "safety_checker", "word_not_finite"


@dataclass(frozen=True)
class OwnPicture:
    """The picture that is explained.

    Args:
        picture: The picture.
        artifact: Its file in the result.
        seed: Its seed.
        is_hidden: Whether the safety checker of the model has replaced it.
    """

    picture: Image.Image
    artifact: Artifact
    seed: int
    is_hidden: bool = False


@dataclass(frozen=True)
class ChangedPicture:
    """The picture of a changed prompt.

    Args:
        picture: The picture; None if there is none.
        reason: Why there is none: `HIDDEN` or `NOT_FINITE`.
    """

    picture: Image.Image | None
    reason: str | None = None


def words_explained(
    context: JobContext,
    own: OwnPicture,
    changes: Sequence[WordChange],
    pictures: Mapping[str, ChangedPicture],
) -> Explanation:
    """Store the maps and pairs of a picture, and return the explanation of the result.

    A word without a picture has no map. The result has a warning that names these words.

    Args:
        context: The context of the job.
        own: The picture.
        changes: The words that were changed, and how.
        pictures: The pictures by their prompts; none if the picture itself is hidden.
    """
    maps: list[ExplanationMap] = []
    missing: dict[str, list[str]] = {}
    for change in changes:
        found = [pictures.get(prompt, ChangedPicture(None, HIDDEN)) for prompt in change.prompts]
        shown = [
            (prompt, each.picture)
            for prompt, each in zip(change.prompts, found, strict=True)
            if each.picture is not None
        ]
        if shown:
            maps.append(_word_map(context, own, change.word, shown))
        else:
            missing.setdefault(found[0].reason or HIDDEN, []).append(change.word)
    for reason, words in missing.items():
        context.warn(result_warning("words_not_explained", "explain", words=words, reason=reason))
    return Explanation(method="words", maps=tuple(maps), num_calls=len(pictures))


def difference(picture: Image.Image, other: Image.Image) -> Floats:
    """Return how much each pixel of two pictures differs, averaged over the channels.

    Args:
        picture: A picture.
        other: Another one. It is resized if it has another size.

    Returns:
        [height, width] of the first picture, each value 0 to 1.
    """
    same_size = other if other.size == picture.size else other.resize(picture.size)
    values = [np.asarray(_opaque(each), np.float32) for each in (picture, same_size)]
    found: Floats = np.abs(values[0] - values[1]).mean(axis=2) / 255
    return found


def _word_map(
    context: JobContext, own: OwnPicture, word: str, shown: Sequence[tuple[str, Image.Image]]
) -> ExplanationMap:
    values: Floats = np.mean([difference(own.picture, each) for _, each in shown], axis=0, dtype=np.float32)
    prompt, picture = shown[0]
    changed: dict[str, Any] = {"prompt": prompt}
    other = context.save_picture(picture, seed=own.seed, changed=changed)
    score = float(values.mean())
    return saved_map(context, _opaque(own.picture), values, word, score=score, pair=(own.artifact, other))


def _opaque(picture: Image.Image) -> Image.Image:
    """Return a picture in mode RGB. What is transparent is white."""
    if picture.mode not in ("RGBA", "LA"):
        return picture.convert("RGB")
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")
