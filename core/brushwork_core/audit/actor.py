"""Who acts: an API key, a person on the command line, or a program."""

import os
import pwd
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

LONGEST = 128


class ActorKind(StrEnum):
    """What an actor is. Its name in the log starts with this."""

    KEY = "key"
    """An API key, with its id."""
    OPERATOR = "operator"
    """A person on the command line, with the name of the system's user."""
    PROGRAM = "program"
    """A program that uses the Python package, with the name of the system's user."""
    ANYONE = "anyone"
    """A caller of a gateway without keys."""


@dataclass(frozen=True)
class Actor:
    """Who acts, and from where.

    Args:
        name: Kind and name: `key:1f2e3d4c5b6a`, `operator:root`, `program:www-data` or `anyone`.
        origin: Address of the client of a gateway, or name of the host of a command or program.
    """

    name: str
    origin: str

    @property
    def kind(self) -> ActorKind:
        """What the actor is."""
        return ActorKind(self.name.partition(":")[0])

    @property
    def id(self) -> str:
        """Id of the key, or name of the user; empty for anyone."""
        return self.name.partition(":")[2]

    @classmethod
    def of_key(cls, key_id: str | None, origin: str) -> "Actor":
        """Return a caller of a gateway.

        Args:
            key_id: Id of the API key; None if the gateway has no keys.
            origin: Address of the client, as trusted proxies tell it.
        """
        name = ActorKind.ANYONE.value if key_id is None else f"{ActorKind.KEY}:{key_id}"
        return cls(name, origin[:LONGEST])

    @classmethod
    def of_process(cls, kind: ActorKind) -> "Actor":
        """Return the user of this process, on this host."""
        return cls(f"{kind}:{_user()}"[:LONGEST], socket.gethostname()[:LONGEST])


_ACTOR: ContextVar[Actor | None] = ContextVar("brushwork_actor", default=None)


def act_as(actor: Actor) -> None:
    """Name who acts in this context from now on, also in threads that it starts."""
    _ACTOR.set(actor)


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    """Name who acts inside the `with` block, also in threads that it starts."""
    token = _ACTOR.set(actor)
    try:
        yield
    finally:
        _ACTOR.reset(token)


def current_actor() -> Actor:
    """Return who acts in this context; by default the program with the user of this process."""
    return _ACTOR.get() or Actor.of_process(ActorKind.PROGRAM)


def _user() -> str:
    # Not by the environment, which a caller could set. A container may have no name for its user.
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
