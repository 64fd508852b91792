"""Flower on loopback without a login: `python -m brushwork.embedded.flower_process OPTIONS`.

Flower answers whatever host a request names. A page of another site could have its own name resolve to
127.0.0.1, and read Flower's pages through a browser of this machine. So only names of loopback are answered.
"""

import sys
from typing import Any
from urllib.parse import urlsplit

from celery.__main__ import main as celery
from flower import command
from flower.app import Flower
from tornado.web import ErrorHandler

from brushwork.hosts import is_loopback


class LocalFlower(Flower):  # type: ignore[misc]
    """Flower that answers only requests for `localhost`, `127.0.0.1` and `[::1]`."""

    def find_handler(self, request: Any, **options: Any) -> Any:
        """Return what answers a request."""
        if not is_loopback(_name_in(request.host)):
            return self.get_handler_delegate(request, ErrorHandler, {"status_code": 403})
        return super().find_handler(request, **options)


def _name_in(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def main() -> None:
    """Run Flower's own command with this application."""
    # The command builds the class that it has imported; there is no option for another one.
    command.Flower = LocalFlower
    sys.argv = ["celery", "--quiet", "flower", *sys.argv[1:]]
    celery()


if __name__ == "__main__":
    main()
