"""The models of a catalogue, at hand or still to be asked for."""

from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from typing import Any, overload

from brushwork_schemas.catalogue import Model

Ask = Callable[[], Awaitable[Sequence[Model]]]


class ModelList(Sequence[Model]):
    """What `AsyncClient.models` returns: to be awaited, or a sequence at once where nobody has to be asked.

    Args:
        look: Gets them at once, where that can be done.
        ask: Gets them without making the event loop wait.
    """

    def __init__(self, look: Callable[[], Sequence[Model]] | None = None, *, ask: Ask) -> None:
        self._models: Sequence[Model] | None = None
        self._look = look
        self._ask = ask

    def __await__(self) -> Generator[Any, Any, Sequence[Model]]:
        if self._models is None:
            self._models = yield from self._ask().__await__()
        return self._known()

    @overload
    def __getitem__(self, index: int) -> Model: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Model]: ...
    def __getitem__(self, index: int | slice) -> Model | Sequence[Model]:
        return self._known()[index]

    def __len__(self) -> int:
        return len(self._known())

    def __iter__(self) -> Iterator[Model]:
        return iter(self._known())

    def _known(self) -> Sequence[Model]:
        if self._models is None and self._look is not None:
            self._models = self._look()
        if self._models is None:
            raise TypeError("by HTTP the models have to be asked for: await client.models()")
        return self._models
