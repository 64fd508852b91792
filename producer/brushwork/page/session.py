"""One request for a page: its caller, language and theme, and the responses to it."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from brushwork_core.access.api_keys import Scope
from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from brushwork.gateway.admission.access import COOKIE, Principal
from brushwork.gateway.root import below_root, linked_below_root, without_root
from brushwork.gateway.services import Services
from brushwork.page import templates
from brushwork.page.words import COOKIE as LANGUAGE
from brushwork.page.words import Words, chosen_language

THEME = "brushwork_theme"
THEMES = ("auto", "light", "dark")
YEAR_S = 365 * 24 * 3600
# Scripts, styles and pictures of this site only, so that injected markup in a prompt could not run.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # With no-referrer, browsers would send forms with the origin `null`, which the request guard refuses.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-store",
    "Vary": "Cookie, Accept-Language",
}


class Session:
    """One request for a page.

    Args:
        request: The HTTP request.
        principal: The authenticated caller; None on pages that require no key.
        services: Counts the results that wait for a review; None to name none.
    """

    def __init__(
        self, request: Request, principal: Principal | None = None, services: Services | None = None
    ) -> None:
        self._request = request
        self._principal = principal
        self._services = services

    @cached_property
    def words(self) -> Words:
        """The texts in the language of the reader."""
        cookies, headers = self._request.cookies, self._request.headers
        return Words(chosen_language(cookies.get(LANGUAGE), headers.get("accept-language", "")))

    @property
    def theme(self) -> str:
        """`light`, `dark`, or `auto`, which follows the system."""
        theme = self._request.cookies.get(THEME, "")
        return theme if theme in THEMES else THEMES[0]

    @property
    def may_submit(self) -> bool:
        """Whether the caller may submit jobs."""
        return self._principal is not None and self._principal.may(Scope.SUBMIT)

    @property
    def may_review(self) -> bool:
        """Whether the caller may release and refuse held results."""
        return self._principal is not None and self._principal.may(Scope.ADMIN)

    @cached_property
    def num_held(self) -> int:
        """Number of results that wait for a review by this caller; 0 if the caller may not review."""
        if self._services is None or not self.may_review:
            return 0
        return self._services.backend.held_results.number()

    @property
    def sees_tenants(self) -> bool:
        """Whether the caller sees the jobs of several tenants."""
        return self._principal is not None and self._principal.tenant is None

    @property
    def has_key(self) -> bool:
        """Whether the browser holds a key, so that the caller can log out."""
        return bool(self._request.cookies.get(COOKIE))

    @property
    def here(self) -> str:
        """Path and query of this page, to which forms return."""
        if self._request.method != "GET":
            return "/"
        query = self._request.url.query
        return without_root(self._request.url.path) + (f"?{query}" if query else "")

    @property
    def origin(self) -> str:
        """Address of the gateway as the browser sees it."""
        return str(self._request.base_url).rstrip("/")

    def shown(self, template: str, /, status: int = 200, **values: Any) -> HTMLResponse:
        """Return the page that a template makes."""
        text = templates.rendered(template, {"session": self, "t": self.words, **values})
        return HTMLResponse(linked_below_root(text), status, headers=HEADERS)


def redirect_to(
    path: str, cookies: Mapping[str, str | None] | None = None, *, secure: bool = False
) -> Response:
    """Redirect the browser to a path of this site with GET.

    Args:
        path: The path. Anything else leads to `/`.
        cookies: Cookies to set, which scripts and other sites cannot read; None deletes a cookie.
        secure: Whether the browser sends the cookies over https only.
    """
    response = RedirectResponse(below_root(own_path(path)), 303, headers={"Cache-Control": "no-store"})
    for name, value in (cookies or {}).items():
        if value is None:
            response.delete_cookie(name, secure=secure, httponly=True, samesite="strict")
        else:
            response.set_cookie(name, value, max_age=YEAR_S, secure=secure, httponly=True, samesite="strict")
    return response


def own_path(path: str) -> str:
    """Return `path` if it is a path of this site, else `/`."""
    plain = path.isascii() and path.isprintable() and path.startswith("/")
    return path if plain and not path.startswith("//") and "\\" not in path else "/"
