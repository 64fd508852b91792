"""What a proxy puts before every path and takes away again: what we say of our paths has it in front."""

import re
from contextvars import ContextVar

from starlette.types import Scope

_ROOT: ContextVar[str] = ContextVar("root_path", default="")
# Words of callers can't stand there: in them every quotation mark is escaped.
_PATHS = re.compile(r'(?<= )(href|action|src|data-[a-z]+)="/')


def enter(scope: Scope) -> None:
    """Note it for all that this request says, in threads too."""
    _ROOT.set(scope.get("root_path", ""))


def below_root(path: str) -> str:
    """A path of ours, as a caller has to ask for it."""
    return _ROOT.get() + path


def without_root(path: str) -> str:
    """A path that a caller has asked for, as ours."""
    return path.removeprefix(_ROOT.get())


def linked_below_root(html: str) -> str:
    """A page of ours, with all its links as `below_root`."""
    root = _ROOT.get()
    return _PATHS.sub(lambda found: f'{found[1]}="{root}/', html) if root else html
