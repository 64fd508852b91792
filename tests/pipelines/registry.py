"""All pipelines that are tried, by the names of their classes."""

from collections.abc import Mapping

from tests.pipelines import cascade, kandinsky, pixels, stable_diffusion, transformers
from tests.pipelines.trial import Trial

TRIALS: Mapping[str, Trial] = {
    **cascade.TRIALS,
    **kandinsky.TRIALS,
    **pixels.TRIALS,
    **stable_diffusion.TRIALS,
    **transformers.TRIALS,
}
BUILDERS = {name: trial.build for name, trial in TRIALS.items()}
