"""The list of models that `AsyncClient.models` returns."""

from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from typing import Any, overload

from brushwork_schemas.catalogue import Model

Ask = Callable[[], Awaitable[Sequence[Model]]]


class ModelList(Sequence[Model]):
    """A list of models to be awaited. With a direct connection it is also a sequence without `await`.

    Args:
        look: Returns the models and blocks meanwhile; None if they can only be awaited.
        ask: Returns an awaitable of the models.
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
            raise TypeError("a client that uses HTTP must await its models: await client.models()")
        return self._models
