"""All pipelines that are tried, by the names of their classes."""

from collections.abc import Mapping

from tests.pipelines import (
    cascade,
    chat_transformers,
    flux,
    kandinsky,
    picture_transformers,
    pixels,
    stable_diffusion,
    videos,
)
from tests.pipelines.trial import Trial

TRIALS: Mapping[str, Trial] = {
    **cascade.TRIALS,
    **chat_transformers.TRIALS,
    **flux.TRIALS,
    **kandinsky.TRIALS,
    **picture_transformers.TRIALS,
    **pixels.TRIALS,
    **stable_diffusion.TRIALS,
    **videos.TRIALS,
}
BUILDERS = {name: trial.build for name, trial in TRIALS.items()}
