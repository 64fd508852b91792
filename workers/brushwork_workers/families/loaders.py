"""The loader of each family, imported when the first model of the family is loaded."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module

from brushwork_schemas.errors import ModelUnavailable
from brushwork_schemas.families.registry import all_families
from brushwork_schemas.plugins import FAMILIES, distribution_of
from brushwork_schemas.wording.phrase import private, said

from brushwork_workers.interface import Loader


class Loaders(Mapping[str, Loader]):
    """The loaders of all families by name. Safe to share between threads.

    Args:
        replaced: Loaders to use in place of those that the families name; for tests and benchmarks.
    """

    def __init__(self, replaced: Mapping[str, Loader] | None = None) -> None:
        self._replaced = dict(replaced or {})

    def __getitem__(self, family: str) -> Loader:
        return self._replaced.get(family) or _resolved(family, all_families()[family].loader)

    def __iter__(self) -> Iterator[str]:
        return iter(all_families())

    def __len__(self) -> int:
        return len(all_families())


def _resolved(family: str, path: str) -> Loader:
    module, _, name = path.partition(":")
    try:
        loader: Callable[..., object] = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        owner = distribution_of(FAMILIES, family)
        raise ModelUnavailable(
            said(
                "The loader {path} of the family {family} cannot be imported: {error}. The "
                "distribution {owner} registers this family.",
                path=path,
                family=family,
                error=private(error),
                owner=owner,
            ),
            field="family",
            hint=said(
                "Install the packages that it needs, or update, repair or uninstall {owner}.", owner=owner
            ),
        ) from error
    return loader  # type: ignore[return-value]
