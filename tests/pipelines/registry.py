"""All pipelines that are tried, by the names of their classes."""

from collections.abc import Mapping

from tests.pipelines import kandinsky
from tests.pipelines.trial import Trial

TRIALS: Mapping[str, Trial] = {
    **kandinsky.TRIALS,
}
BUILDERS = {name: trial.build for name, trial in TRIALS.items()}
