"""What a terminal shows of an explanation."""

from collections.abc import Iterator
from math import exp

from brushwork_schemas.job import Job
from brushwork_schemas.kinds.explanations.meaning import MEANING
from brushwork_schemas.kinds.explanations.result import Explanation, ExplanationMap
from brushwork_schemas.kinds.presentation import Presentation
from brushwork_schemas.kinds.view import in_percent, localized

_LANGUAGE = "en"


def explanation_facts(job: Job) -> Iterator[tuple[str, str]]:
    """Yield label and value of what the explanations of a result say."""
    for shown in Presentation(job).explanations:
        yield from _facts(shown.explanation)


def _facts(explanation: Explanation) -> Iterator[tuple[str, str]]:
    of = f" of {explanation.target}" if explanation.target else ""
    yield "explanation", f"{explanation.method}{of}, {explanation.num_calls} extra calls"
    if explanation.tokens:
        yield (
            "words",
            " ".join(f"{each.text} ({in_percent(exp(each.logprob))})" for each in explanation.tokens),
        )
    for each in explanation.maps:
        yield f"map {each.label}", _values(each)
    if explanation.baseline is not None:
        yield "all covered", f"{explanation.baseline:.3g}"
    if explanation.faithfulness is not None:
        curves = explanation.faithfulness
        yield "faithfulness", f"deletion {curves.deletion:.3f}, insertion {curves.insertion:.3f}"
    # A newer version may know other methods.
    meaning = {str(method): text for method, text in MEANING.items()}.get(explanation.method)
    if meaning:
        yield "meaning", localized(meaning, _LANGUAGE)


def _values(shown: ExplanationMap) -> str:
    score = "" if shown.score is None else f"score {shown.score:.3g}, "
    if shown.min == shown.max:
        return f"{score}empty: no part makes a difference"
    return f"{score}from {shown.min:.3g} to {shown.max:.3g}"
