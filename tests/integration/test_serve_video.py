"""Videos through the queue equal those of the pipelines called directly, alone and eight at once."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brushwork_core.provenance.marks.mp4 import encoded_video
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.job import Job
from diffusers import DiffusionPipeline, LTXImageToVideoPipeline
from PIL import Image

from tests.ffprobe import probed
from tests.moving_pictures import decoded, difference
from tests.serving import Serving

# Of the range, on average. Frames are equal but for rounding: `python -m tests.video_pipelines` measures it.
# An encoder that gets one other level keeps other parts of the noise that tiny models make. What it loses of
# the noise is the same share each time, about 0.1. A video of another seed is 0.2 away.
LOSS = 0.01
SOURCE = Image.effect_noise((32, 32), 90).convert("RGB")
# The pipeline class, the kind, and the class that serves it.
CASES = (
    ("AnimateDiffPipeline", "text-to-video"),
    ("LTXPipeline", "text-to-video"),
    ("LTXPipeline", "image-to-video"),
    ("StableVideoDiffusionPipeline", "image-to-video"),
)


@cache
def pipeline_of(folder: Path, name: str, kind: str) -> Any:
    found: Any = DiffusionPipeline.from_pretrained(folder / name)
    found.set_progress_bar_config(disable=True)
    if (name, kind) == ("LTXPipeline", "image-to-video"):
        found = LTXImageToVideoPipeline(**found.components)
        found.set_progress_bar_config(disable=True)
    return found


def requests(name: str, kind: str) -> list[dict[str, Any]]:
    """Eight jobs with different steps, guidance and seeds."""
    own: dict[str, Any] = {"image": SOURCE} if kind == "image-to-video" else {}
    words = {} if name.startswith("StableVideo") else {"prompt": "a red circle"}
    return [
        {
            **{"kind": kind, "model": f"tiny-{name}", **own, **words},
            "num_inference_steps": 2 + index % 3,
            "guidance_scale": (1.0, 3.0, 5.5)[index % 3],
            "seed": index,
        }
        for index in range(8)
    ]


def upstream(folder: Path, name: str, request: dict[str, Any]) -> list[Image.Image]:
    pipeline = pipeline_of(folder, name, request["kind"])
    asked = {key: value for key, value in request.items() if key not in ("kind", "model", "seed")}
    if name.startswith("StableVideo"):
        asked |= {"max_guidance_scale": asked.pop("guidance_scale"), "fps": 7}
    if name == "LTXPipeline":
        asked["frame_rate"] = 25
    generator = torch.Generator().manual_seed(request["seed"])
    sizes = {"width": 32, "height": 32, "num_frames": 9}
    return list(pipeline(**asked, **sizes, generator=generator, output_type="pil").frames[0])


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_served_video_is_that_of_the_pipeline(
    served: Serving, every_model: Path, tmp_path: Path, name: str, kind: str
) -> None:
    asked = requests(name, kind)
    jobs: list[Job] = [served.one(**asked[0]), *served.all(asked)]
    for job, request in zip(jobs, [asked[0], *asked], strict=True):
        (video,) = job.result.videos
        made = upstream(every_model / "videos", name, request)
        shown = decoded(video.file.bytes())
        assert len(shown) == len(made) == video.num_frames == 9
        lost = difference(decoded(encoded_video(made, video.fps)), made)
        assert abs(difference(shown, made) - lost) < LOSS
        assert np.asarray(made[0]).std() > 2, "a plain video says nothing"
    file = video.file.save(tmp_path / "video.mp4")
    told = probed(file)
    assert (told["width"], told["height"], int(told["nb_read_frames"])) == (32, 32, 9)
    assert told["avg_frame_rate"] == f"{video.fps}/1"
    assert video.poster.pil().size == (32, 32)


def test_equal_requests_give_equal_pixels_and_bytes(served: Serving) -> None:
    asked = {**requests("LTXPipeline", "text-to-video")[1], "deterministic": True}
    one, other = (served.one(**asked).result.videos[0] for _ in range(2))
    assert one.file.pixels_sha256 == other.file.pixels_sha256
    assert one.file.unsigned_sha256 == other.file.unsigned_sha256
    assert one.poster.unsigned_sha256 == other.poster.unsigned_sha256


def test_several_videos_have_the_seeds_that_follow(served: Serving) -> None:
    asked = requests("LTXPipeline", "text-to-video")[1]
    two = served.one(**asked, num_videos_per_prompt=2).result
    assert two.seeds == (1, 2)
    alone = served.one(**{**asked, "seed": 2}).result.videos[0]
    shown = decoded(alone.file.bytes())
    second, first = (difference(decoded(video.file.bytes()), shown) for video in reversed(two.videos))
    assert second < 0.05 < first


def test_what_is_asked_of_a_video_is_done(served: Serving, tmp_path: Path) -> None:
    asked = {**requests("LTXPipeline", "text-to-video")[1], "num_frames": 5, "fps": 24, "width": 64}
    job = served.one(**asked, visible_label=True, visible_label_text="AI", embed_parameters=True)
    (video,) = job.result.videos
    told = probed(video.file.save(tmp_path / "video.mp4"))
    assert (told["width"], told["height"], int(told["nb_read_frames"])) == (64, 32, 5)
    assert told["avg_frame_rate"] == "24/1"
    report = served.client.provenance(video.file.bytes())
    assert report.made_here
    assert [match.job_id for match in report.matches] == [job.id]
    assert report.labels.digital_source_type == "trainedAlgorithmicMedia"
    assert report.parameters is not None
    assert report.parameters.request["num_frames"] == 5
    assert report.parameters.request["seed"] == 1


def test_the_size_of_a_picture_decides(served: Serving) -> None:
    wide = Image.effect_noise((128, 64), 90).convert("RGB")
    asked = {**requests("StableVideoDiffusionPipeline", "image-to-video")[0], "image": wide}
    result = served.one(**asked).result
    (video,) = result.videos
    # Of the area of the default size, in the proportions of the picture and multiples of eight.
    assert (video.file.width, video.file.height) == (40, 16)
    assert [warning.code for warning in result.warnings] == ["size_reduced"]


@pytest.mark.parametrize(
    ("name", "kind", "changes", "field"),
    [
        ("LTXPipeline", "text-to-video", {"num_frames": 10}, "num_frames"),
        ("LTXPipeline", "text-to-video", {"num_frames": 1001}, "num_frames"),
        ("LTXPipeline", "text-to-video", {"num_frames": 253}, "num_frames"),
        ("LTXPipeline", "text-to-video", {"fps": 0}, "fps"),
        ("LTXPipeline", "text-to-video", {"fps": 61}, "fps"),
        ("LTXPipeline", "text-to-video", {"width": 40}, "width"),
        ("LTXPipeline", "text-to-video", {"prompt": "  "}, "prompt"),
        ("LTXPipeline", "text-to-video", {"num_videos_per_prompt": 5}, "num_videos_per_prompt"),
        ("LTXPipeline", "text-to-video", {"output_format": "png"}, "output_format"),
        ("LTXPipeline", "text-to-video", {"scheduler": "DDIMScheduler"}, "scheduler"),
        ("StableVideoDiffusionPipeline", "image-to-video", {"prompt": "a red circle"}, "prompt"),
        ("StableVideoDiffusionPipeline", "image-to-video", {"negative_prompt": "x"}, "negative_prompt"),
    ],
)
def test_what_cannot_be_done_is_refused(
    served: Serving, name: str, kind: str, changes: dict[str, Any], field: str
) -> None:
    asked = {**requests(name, kind)[0], **changes}
    with pytest.raises(InvalidRequest) as refused:
        served.client.submit_many([asked])
    assert refused.value.field == field


def test_too_many_pixels_are_refused(served: Serving) -> None:
    asked = requests("LTXPipeline", "text-to-video")[0]
    with pytest.raises(InvalidRequest) as refused:
        served.client.submit_many([{**asked, "num_frames": 249, "width": 1024, "height": 1024}])
    assert refused.value.field == "num_frames"
    assert "261095424 pixels" in refused.value.message
