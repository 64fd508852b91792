"""Embeddings of sentences that were asked for lately."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping

from torch import Tensor


class LabelMemory:
    """The latest `room` embeddings by sentence; those not asked for the longest go first.

    Args:
        room: How many are kept.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._kept: OrderedDict[str, Tensor] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, sentences: Iterable[str]) -> dict[str, Tensor]:
        """Those of the sentences that are kept."""
        with self._lock:
            found = {sentence: self._kept[sentence] for sentence in sentences if sentence in self._kept}
            for sentence in found:
                self._kept.move_to_end(sentence)
        return found

    def keep(self, embeddings: Mapping[str, Tensor]) -> None:
        """Keep these, too."""
        with self._lock:
            for sentence, embedding in embeddings.items():
                self._kept[sentence] = embedding
                self._kept.move_to_end(sentence)
            while len(self._kept) > self._room:
                self._kept.popitem(last=False)
