"""Who looks at the page, in which language and light, and the answers made for them."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from brushwork_core.access.api_keys import Scope
from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from brushwork.gateway.admission.access import COOKIE, Principal
from brushwork.gateway.root import below_root, linked_below_root, without_root
from brushwork.page import templates
from brushwork.page.words import COOKIE as LANGUAGE
from brushwork.page.words import Words, chosen_language

THEME = "brushwork_theme"
THEMES = ("auto", "light", "dark")
YEAR_S = 365 * 24 * 3600
# Scripts, styles and pictures of our own alone: a prompt that smuggles markup in would still do nothing.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: browsers would send forms with the origin `null`, and the guard would refuse them.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-store",
    "Vary": "Cookie, Accept-Language",
}


class Session:
    """One request for a page.

    Args:
        request: The request.
        principal: Who asks; None on pages that ask for no key.
    """

    def __init__(self, request: Request, principal: Principal | None = None) -> None:
        self._request = request
        self._principal = principal

    @cached_property
    def words(self) -> Words:
        """The words of the visitor's language."""
        cookies, headers = self._request.cookies, self._request.headers
        return Words(chosen_language(cookies.get(LANGUAGE), headers.get("accept-language", "")))

    @property
    def theme(self) -> str:
        """`light`, `dark`, or `auto` for what the system has."""
        theme = self._request.cookies.get(THEME, "")
        return theme if theme in THEMES else THEMES[0]

    @property
    def may_submit(self) -> bool:
        """Whether forms that submit are of use."""
        return self._principal is not None and self._principal.may(Scope.SUBMIT)

    @property
    def sees_tenants(self) -> bool:
        """Whether jobs may be of several tenants."""
        return self._principal is not None and self._principal.tenant is None

    @property
    def has_key(self) -> bool:
        """Whether there is something to log out of."""
        return bool(self._request.cookies.get(COOKIE))

    @property
    def here(self) -> str:
        """This page's path and query, to come back to."""
        if self._request.method != "GET":
            return "/"
        query = self._request.url.query
        return without_root(self._request.url.path) + (f"?{query}" if query else "")

    @property
    def origin(self) -> str:
        """The gateway's address as the visitor's browser knows it."""
        return str(self._request.base_url).rstrip("/")

    def shown(self, template: str, /, status: int = 200, **values: Any) -> HTMLResponse:
        """A page made from a template."""
        text = templates.rendered(template, {"visitor": self, "t": self.words, **values})
        return HTMLResponse(linked_below_root(text), status, headers=HEADERS)


def led_to(path: str, cookies: Mapping[str, str | None] | None = None, *, secure: bool = False) -> Response:
    """Send the browser on to a path of ours with GET; a cookie that is None is struck.

    Args:
        path: Where to; anything but a path of ours leads to `/`.
        cookies: What the browser is to remember, out of reach of scripts and other sites.
        secure: Whether it says so on https only.
    """
    response = RedirectResponse(below_root(own_path(path)), 303, headers={"Cache-Control": "no-store"})
    for name, value in (cookies or {}).items():
        if value is None:
            response.delete_cookie(name, secure=secure, httponly=True, samesite="strict")
        else:
            response.set_cookie(name, value, max_age=YEAR_S, secure=secure, httponly=True, samesite="strict")
    return response


def own_path(path: str) -> str:
    """`path`, if it leads nowhere but here; else `/`."""
    plain = path.isascii() and path.isprintable() and path.startswith("/")
    return path if plain and not path.startswith("//") and "\\" not in path else "/"
