"""A cache of text embeddings."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping

from torch import Tensor


class EmbeddingCache:
    """Keeps the most recently used embeddings by sentence. Safe to share between threads.

    Args:
        capacity: The most embeddings that are kept. The least recently used ones are removed first.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._embeddings_by_sentence: OrderedDict[str, Tensor] = OrderedDict()
        self._lock = threading.Lock()

    def get_many(self, sentences: Iterable[str]) -> dict[str, Tensor]:
        """Return the embeddings that are in the cache, by sentence."""
        with self._lock:
            found = {
                sentence: self._embeddings_by_sentence[sentence]
                for sentence in sentences
                if sentence in self._embeddings_by_sentence
            }
            for sentence in found:
                self._embeddings_by_sentence.move_to_end(sentence)
        return found

    def put_many(self, embeddings: Mapping[str, Tensor]) -> None:
        """Add embeddings, by sentence."""
        with self._lock:
            for sentence, embedding in embeddings.items():
                self._embeddings_by_sentence[sentence] = embedding
                self._embeddings_by_sentence.move_to_end(sentence)
            while len(self._embeddings_by_sentence) > self._capacity:
                self._embeddings_by_sentence.popitem(last=False)
