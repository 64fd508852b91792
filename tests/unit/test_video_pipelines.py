"""Eight videos at once are those of each job alone. `python -m tests.video_pipelines` tries all classes."""

import pytest
from brushwork_schemas.kinds.video.text_to_video import TextToVideoRequest
from brushwork_workers.families.diffusion.video.arguments import video_arguments

from tests.tiny_videos import ltx
from tests.video_pipelines import QUICK, TOLERANCE, compared


@pytest.mark.parametrize("name", QUICK)
def test_eight_jobs_at_once_equal_each_alone(name: str) -> None:
    difference, runs = compared(name)
    assert difference <= TOLERANCE
    assert max(len(ran.batch.calls) for ran in runs) > 2


def test_what_neither_request_nor_model_has_is_left_to_the_pipeline() -> None:
    request = TextToVideoRequest(prompt="a red circle", fps=8, guidance_scale=3.0)
    assert video_arguments(request, (0, 0), {}, ltx()) == {
        "prompt": "a red circle",
        "frame_rate": 8,
        "guidance_scale": 3.0,
        "output_type": "pil",
    }
