"""What a result says in a terminal, kind by kind, and the files that it holds."""

from collections.abc import Iterator, Sequence

from brushwork_core.media.archive_type import ENDINGS
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.job import Job
from brushwork_schemas.kinds.generation import GenerationResult
from brushwork_schemas.kinds.image_classification import ImageClassificationResult
from brushwork_schemas.kinds.image_classification_training import Epoch, ImageClassificationTrainingResult
from brushwork_schemas.kinds.image_segmentation import ImageSegmentationResult
from brushwork_schemas.kinds.image_to_text import ImageToTextResult
from brushwork_schemas.kinds.image_upscaling import ImageUpscalingResult

Facts = Iterator[tuple[str, str]]
# Of a long list, the rest is in the JSON.
MOST_SEGMENTS = 20
_ENDINGS = {
    **ENDINGS,
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "application/json": "json",
    "application/vnd.safetensors": "safetensors",
}


def files(job: Job) -> dict[str, Artifact]:
    """The files of a job's result, each with the end of a file name."""
    found = {f"{name}.{_ENDINGS.get(each.media_type, 'bin')}": each for name, each in _named(job.result)}
    return found


def pictures(job: Job) -> list[Artifact]:
    """Those of them that can be shown."""
    return [each for each in files(job).values() if each.media_type.startswith("image/")]


def result_facts(job: Job) -> Facts:
    """What the result says, line by line."""
    match job.result:
        case GenerationResult() as made:
            yield from _generation(made)
        case ImageUpscalingResult() as larger:
            yield "image", f"{larger.image.width}x{larger.image.height}, {larger.scale:g} times as wide"
        case ImageToTextResult() as told:
            yield from _captions(told)
        case ImageClassificationResult() as seen:
            for prediction in seen.predictions:
                yield prediction.label, f"{prediction.score:.1%}"
        case ImageSegmentationResult() as found:
            yield from _segments(found)
        case ImageClassificationTrainingResult() as trained:
            yield from _training(trained)


def curve_facts(curve: Sequence[Epoch]) -> Facts:
    """A training's epochs so far."""
    for each in curve:
        words = [f"loss {each.train_loss:.3f}", f"{each.train_accuracy:.1%} right"]
        if each.validation_accuracy is not None:
            words += [f"validation {each.validation_accuracy:.1%}"]
        yield f"epoch {each.epoch}", ", ".join([*words, f"{each.seconds:.1f} s"])


def _named(result: object) -> Iterator[tuple[str, Artifact]]:
    match result:
        case GenerationResult(images=images):
            yield from ((str(index), image) for index, image in enumerate(images))
        case ImageUpscalingResult(image=image):
            yield "upscaled", image
        case ImageSegmentationResult(mask=mask, overlay=overlay):
            yield "mask", mask
            if overlay is not None:
                yield "overlay", overlay
        case ImageClassificationTrainingResult(plot=plot, weights=weights, config=config):
            yield from (("plot", plot), ("weights", weights), ("config", config))


def _generation(result: GenerationResult) -> Facts:
    hidden = result.nsfw_content_detected or (False,) * len(result.images)
    for index, (image, seed) in enumerate(zip(result.images, result.seeds, strict=False)):
        note = ", blacked out by the safety checker" if hidden[index] else ""
        yield f"image {index}", f"{image.width}x{image.height}, seed {seed}{note}"


def _captions(result: ImageToTextResult) -> Facts:
    yield "caption", result.generated_text
    for number, candidate in enumerate(result.candidates if len(result.candidates) > 1 else (), 1):
        score = "" if candidate.score is None else f"{candidate.score:.3f}  "
        yield f"candidate {number}", f"{score}{candidate.text}"


def _segments(result: ImageSegmentationResult) -> Facts:
    for label, share in result.areas.items():
        yield label, f"{share:.1%} of the picture"
    for segment in result.segments[:MOST_SEGMENTS]:
        sure = "" if segment.score is None else f", {segment.score:.1%}"
        left, top, width, height = segment.bbox
        name = segment.label or "object"
        yield f"segment {segment.id}", f"{name}{sure}, {width:g}x{height:g} at {left:g}, {top:g}"
    if (more := len(result.segments) - MOST_SEGMENTS) > 0:
        yield "", f"and {more} more"


def _training(result: ImageClassificationTrainingResult) -> Facts:
    yield "model", result.model_name
    yield "classes", ", ".join(result.labels)
    yield "pictures", f"{result.num_train_images} to train on, {result.num_validation_images} to judge by"
    if result.validation_accuracy is not None:
        yield "validation", f"{result.validation_accuracy:.1%} right"
    yield "training", f"{result.train_accuracy:.1%} right"
    yield "weights", f"of epoch {result.best_epoch}, {result.weights.size_bytes} bytes"
    yield from curve_facts(result.curve)
