"""Tokenizers of a few words, in the layout of fast ones."""

from collections.abc import Sequence

from tokenizers import Tokenizer, processors
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

WORDS = ("a", "photo", "of", "red", "green", "circle", "square", "star", "this", "is", ".", "dog", "cat")
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")


def word_tokenizer(
    words: Sequence[str] = WORDS, *, ends: bool = True, names: Sequence[str] = SPECIAL, **options: object
) -> PreTrainedTokenizerFast:
    """Word by word; pad, begin, end and unknown are 0 to 3.

    Args:
        words: Besides the special ones.
        ends: Whether a sentence gets its begin and end.
        names: Of the special ones.
        **options: More for the tokenizer.
    """
    pad, begin, end, unknown = names
    vocabulary = {word: index for index, word in enumerate([*names, *words])}
    tokens = Tokenizer(WordLevel(vocabulary, unk_token=unknown))
    tokens.pre_tokenizer = Whitespace()
    if ends:
        tokens.post_processor = processors.TemplateProcessing(
            single=f"{begin} $A {end}", special_tokens=[(begin, 1), (end, 2)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokens,
        pad_token=pad,
        bos_token=begin,
        eos_token=end,
        unk_token=unknown,
        **options,
    )
