"""Explain a caption: how sure the model is of each word, and which parts of the picture speak for it.

A word is scored by "teacher forcing": the network gets a picture and the caption, and says how probable each
token is, given the tokens before it. So one call scores all words of the caption for one covered picture.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from brushwork_schemas.kinds.explanations.calls import num_calls, word_choices
from brushwork_schemas.kinds.explanations.content_words import content_words
from brushwork_schemas.kinds.explanations.request import Explain
from brushwork_schemas.kinds.explanations.result import ExplainedToken, Explanation
from brushwork_schemas.kinds.image_to_text import ImageToTextRequest
from brushwork_schemas.warnings import result_warning
from PIL import Image
from torch import Tensor

from brushwork_workers.batching.model_executor import ModelExecutor
from brushwork_workers.explanations.extra_calls import CallProgress
from brushwork_workers.explanations.map_files import saved_map
from brushwork_workers.explanations.occlusion import Floats, Occlusion, occlusion
from brushwork_workers.families.captions.text_tokens import TextTokens
from brushwork_workers.interface import JobContext

LogProbabilities = Sequence[float]
# In nats: the word becomes a quarter less probable, and a thousandth.
_ENOUGH, _LEAST_DROP = 0.3, 0.001


@dataclass(frozen=True)
class WrittenText:
    """A text that a model has written.

    Args:
        text: The text as the result has it.
        tokens: All tokens, those of the prompt included: [tokens], on the CPU.
        num_start_tokens: How many of them belong to the prompt.
        score: The mean log-probability of the added tokens, as the decoding method has it.
    """

    text: str
    tokens: Tensor
    num_start_tokens: int
    score: float

    def cut(self, end_tokens: Collection[int]) -> "WrittenText":
        """Return the text without its end token and the padding after it."""
        added = self.tokens[self.num_start_tokens :].tolist()
        length = next((index for index, token in enumerate(added) if token in end_tokens), len(added))
        return WrittenText(
            self.text, self.tokens[: self.num_start_tokens + length], self.num_start_tokens, self.score
        )

    @property
    def num_added(self) -> int:
        """Number of tokens that the model has added."""
        return len(self.tokens) - self.num_start_tokens


@dataclass(frozen=True)
class ExplainedCaption:
    """A caption that can be explained.

    Args:
        picture: The picture.
        written: The caption, without its end token.
        tokens: Where its tokens are in the text.
        scores_of: Returns the log-probabilities of the added tokens for a picture, from one call.
        model_executor: Runs the calls.
    """

    picture: Image.Image
    written: WrittenText
    tokens: TextTokens
    scores_of: Callable[[Image.Image], LogProbabilities]
    model_executor: ModelExecutor

    def explanation(self, request: ImageToTextRequest, context: JobContext) -> Explanation:
        """Return the log-probability of each word, and a map for each content word.

        The log-probability of a word is the sum of those of its tokens. That of a word that occurs several
        times is the sum over all places, and its map shows what all of them depend on. `baseline` is the
        log-probability of all words together for the covered picture.
        """
        shown = [index for index, anchor in enumerate(self.tokens.anchors) if anchor is not None]
        if not shown:
            return Explanation(method="tokens", num_calls=0)
        explain = request.explain or Explain(method="tokens")
        progress = CallProgress(context, num_calls(request, *self.picture.size))
        progress()
        (own,) = self.model_executor.run_beside([lambda: self.scores_of(self.picture)], on_done=progress)
        chosen = self._chosen(explain, context)
        parts = [*chosen.values(), shown]
        found = [
            self._occlusion(choice, _sums(own, parts), parts, progress)
            for choice in word_choices(explain, *self.picture.size)
        ]
        maps = [
            saved_map(context, self.picture, _map(found, index), word, score=_sums(own, [tokens])[0])
            for index, (word, tokens) in enumerate(chosen.items())
        ]
        return Explanation(
            method="tokens",
            maps=tuple(maps),
            tokens=tuple(self._words(own)),
            baseline=float(found[0].baseline[-1]),
            num_calls=sum(each.num_calls for each in found) + 1,
        )

    def _occlusion(
        self,
        explain: Explain,
        own: Sequence[float],
        parts: Sequence[Sequence[int]],
        progress: CallProgress,
    ) -> Occlusion:
        return occlusion(
            self.picture,
            explain,
            own,
            lambda covered: _sums(self.scores_of(covered), parts),
            self.model_executor.run_beside,
            progress,
        )

    def _words(self, own: LogProbabilities) -> Sequence[ExplainedToken]:
        return [
            # Rounding may leave the logarithm of 1 above 0.
            ExplainedToken(text=self.tokens.text[word.first : word.last], logprob=min(0.0, logprob))
            for word in self.tokens.words()
            for logprob in _sums(own, [word.tokens])
        ]

    def _chosen(self, explain: Explain, context: JobContext) -> Mapping[str, Sequence[int]]:
        """Return the tokens of each word that gets a map. Words that the caption lacks are left out."""
        words = explain.words or content_words(self.tokens.added)
        found = {word: self.tokens.tokens_of(word) for word in words}
        if missing := [word for word in explain.words or () if not found[word]]:
            known = list(content_words(self.tokens.added))
            context.warn(result_warning("words_not_written", "explain.words", words=missing, known=known))
        return {word: tokens for word, tokens in found.items() if tokens}


def _map(found: Sequence[Occlusion], index: int) -> Floats:
    """Return the map of a word: that of the smallest squares of which one makes the word unlikelier.

    If no square does, it is the map of those with the largest effect. If no square has any effect, all values
    are 0.
    """
    falls = [float(each.drops[:, index].max()) for each in found]
    enough = (number for number, fall in enumerate(falls) if fall >= _ENOUGH)
    chosen = next(enough, falls.index(max(falls)))
    values = found[chosen].map(index)
    return values if falls[chosen] >= _LEAST_DROP else np.zeros_like(values)


def _sums(values: LogProbabilities, parts: Sequence[Sequence[int]]) -> list[float]:
    return [float(np.sum([values[index] for index in part])) for part in parts]
