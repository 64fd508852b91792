"""Words of a prompt that the tokenizer of a model does not know."""

from collections.abc import Iterable
from typing import Any

from brushwork_schemas.warnings import ResultWarning, result_warning
from tokenizers import Encoding, Tokenizer


class UnknownWords:
    """Finds the words of prompts that become the unknown token of a tokenizer.

    Tokenizers of bytes, such as that of CLIP, know every word, so nothing is found with them.

    Args:
        components: The components of a pipeline. All tokenizers among them are asked.
    """

    def __init__(self, components: Iterable[Any]) -> None:
        self._tokenizers = [
            (_untruncated(each.backend_tokenizer), each.unk_token_id)
            for each in components
            if getattr(each, "is_fast", False) and _has_unknown_token(each)
        ]

    def warnings(self, **texts: str | None) -> list[ResultWarning]:
        """Return a warning for each field that has unknown words.

        Args:
            **texts: Text of each field, by the name of the field.
        """
        found = {field: self._words(text) for field, text in texts.items() if text}
        return [
            result_warning("unknown_words", field, words=words) for field, words in found.items() if words
        ]

    def _words(self, text: str) -> list[str]:
        words: dict[str, None] = {}
        for tokenizer, unknown in self._tokenizers:
            spans = _merged(_spans(tokenizer.encode(text, add_special_tokens=False), unknown))
            words.update(dict.fromkeys(text[start:end].strip() for start, end in spans))
        return [word for word in words if word]


def _has_unknown_token(tokenizer: Any) -> bool:
    # CLIP names its end token as the unknown one.
    others = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    return tokenizer.unk_token_id is not None and tokenizer.unk_token_id not in others


def _untruncated(tokenizer: Tokenizer) -> Tokenizer:
    # A copy: pipelines change the limits of the shared one while they use it.
    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.no_truncation()
    copy.no_padding()
    return copy


def _spans(encoding: Encoding, unknown: int) -> list[tuple[int, int]]:
    return [span for token, span in zip(encoding.ids, encoding.offsets, strict=True) if token == unknown]


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join spans that touch: unknown Chinese characters are tokens of their own, and make one word."""
    merged: list[tuple[int, int]] = []
    for start, end in spans:
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged
