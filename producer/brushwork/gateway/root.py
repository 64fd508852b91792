"""The path prefix of a proxy: the proxy removes it from requests, and links in answers must contain it."""

import re
from contextvars import ContextVar

from starlette.types import Scope

_ROOT: ContextVar[str] = ContextVar("root_path", default="")
# Text of callers cannot look like this: it is escaped in pages, so it contains no quotation marks.
_PATHS = re.compile(r'(?<= )(href|action|src|data-[a-z]+)="/')


def enter(scope: Scope) -> None:
    """Set the prefix for everything that handles this request, also in threads."""
    _ROOT.set(scope.get("root_path", ""))


def below_root(path: str) -> str:
    """Return a path of the gateway with the prefix, as callers must request it."""
    return _ROOT.get() + path


def without_root(path: str) -> str:
    """Return the path of a request without the prefix."""
    return path.removeprefix(_ROOT.get())


def linked_below_root(html: str) -> str:
    """Return a page of the gateway with the prefix in all its links."""
    root = _ROOT.get()
    return _PATHS.sub(lambda found: f'{found[1]}="{root}/', html) if root else html
