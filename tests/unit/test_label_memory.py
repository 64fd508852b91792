"""What is remembered of labels, and what is forgotten first."""

import torch
from brushwork_workers.families.classification.label_memory import LabelMemory


def test_who_was_not_asked_for_the_longest_goes_first() -> None:
    memory = LabelMemory(room=2)
    memory.keep({"a": torch.tensor(1), "b": torch.tensor(2)})
    assert memory.known(["a", "z"]) == {"a": torch.tensor(1)}
    memory.keep({"c": torch.tensor(3)})
    assert memory.known(["a", "b", "c"]) == {"a": torch.tensor(1), "c": torch.tensor(3)}
