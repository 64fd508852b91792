"""The tokenizers of the pocket models: every English word and every Chinese term is one token.

They are standard fast tokenizers with all rules in `tokenizer.json`: text is converted to NFKC and lower
case, known terms and words become tokens, and everything else (spaces, full stops) is removed. The tokenizer
of the captioner can also decode: its English tokens include the space before them, Chinese tokens and the
comma do not.
"""

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from recipes.pocket.scenes import world
from recipes.pocket.scenes.grammar import CHINESE
from recipes.pocket.texts.synonyms import normalizer

MAX_TOKENS = 20
START, END, UNKNOWN = "<|startoftext|>", "<|endoftext|>", "<|unknown|>"
LANGUAGE_TOKENS = {"en": "<|en|>", "zh": "<|zh|>"}
_ENGLISH_GLUE = ("a", "an", "on", "at", "in", "the", "to", "of", "above", "below", "background")
_CHINESE_GLUE = ("背景上", "的", "在")
# What becomes the unknown token where it is no term: a word of any language, a Chinese character, a symbol.
_WORD = r"[\u4e00-\u9fff]|(?:(?![\u4e00-\u9fff])\p{L})+|[0-9]+|\p{So}"


def _words() -> list[str]:
    english = (*_ENGLISH_GLUE, *world.SHAPES, *world.COLOURS, *world.BACKGROUNDS, *world.SIZES)
    return list(dict.fromkeys((*english, *world.POSITIONS)))


def _terms() -> list[str]:
    return list(dict.fromkeys((*_CHINESE_GLUE, *CHINESE.values())))


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Build the tokenizer of the text encoder. With padding to `max_length` it adds end tokens up to 20."""
    inner = _tokenizer(_words(), _terms(), _WORD)
    inner.normalizer = normalizer()
    inner.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        special_tokens=[(token, inner.token_to_id(token)) for token in (START, END)],
    )
    return _wrap(inner)


def build_caption_tokenizer() -> PreTrainedTokenizerFast:
    """Build the tokenizer of the captioner, whose `decode` returns captions in their usual spelling."""
    words = [f"\u2581{word}" for word in _words()]
    inner = _tokenizer(words, [*_terms(), ","], r"\u2581[a-z]+")
    space = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    inner.pre_tokenizer = pre_tokenizers.Sequence([space, inner.pre_tokenizer])
    # The forms of the article are a matter of spelling: the captioner has one word for both of them.
    one_article = normalizers.Replace(Regex(r"\ban orange\b"), "a orange")
    inner.normalizer = normalizers.Sequence([inner.normalizer, one_article])
    spelling = decoders.Replace(Regex(r"\ba orange\b"), "an orange")
    inner.decoder = decoders.Sequence(
        [decoders.Metaspace(prepend_scheme="always"), decoders.Fuse(), spelling]
    )
    inner.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", special_tokens=[(END, inner.token_to_id(END))]
    )
    return _wrap(inner)


def _tokenizer(words: list[str], terms: list[str], unknown: str) -> Tokenizer:
    tokens = [START, END, UNKNOWN, *LANGUAGE_TOKENS.values(), *words, *terms]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    inner.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    longest_first = "|".join(sorted(terms, key=len, reverse=True))
    pattern = Regex(f"{longest_first}|{unknown}")
    inner.pre_tokenizer = pre_tokenizers.Split(pattern, behavior="removed", invert=True)
    return inner


def _wrap(inner: Tokenizer) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token=START,
        eos_token=END,
        pad_token=END,
        unk_token=UNKNOWN,
        additional_special_tokens=list(LANGUAGE_TOKENS.values()),
        model_max_length=MAX_TOKENS,
        clean_up_tokenization_spaces=False,
    )
