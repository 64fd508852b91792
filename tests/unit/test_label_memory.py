"""What is remembered of labels, and what is forgotten first."""

import torch
from brushwork_workers.families.classification.embedding_cache import EmbeddingCache


def test_who_was_not_asked_for_the_longest_goes_first() -> None:
    memory = EmbeddingCache(capacity=2)
    memory.put_many({"a": torch.tensor(1), "b": torch.tensor(2)})
    assert memory.get_many(["a", "z"]) == {"a": torch.tensor(1)}
    memory.put_many({"c": torch.tensor(3)})
    assert memory.get_many(["a", "b", "c"]) == {"a": torch.tensor(1), "c": torch.tensor(3)}
