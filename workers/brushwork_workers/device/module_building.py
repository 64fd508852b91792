"""One thread at a time builds modules.

While accelerate, diffusers or transformers build a module, they replace functions of `torch.nn` for the whole
process, so that no weights are drawn. A module that another thread builds meanwhile has no weights either, or
cannot be built: `Parameter.__new__() got an unexpected keyword argument '_is_hf_initialized'`.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_BUILDING = threading.RLock()


@contextmanager
def module_building() -> Iterator[None]:
    """Surround whatever builds or loads a module. For use as a decorator, too.

    Nothing inside may wait for a call of a model: the thread that runs it may be about to load an adapter.
    """
    with _BUILDING:
        yield
