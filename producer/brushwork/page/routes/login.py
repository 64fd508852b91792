"""Login and logout, with the key in a cookie that scripts and other sites cannot read; language and theme."""

from typing import Annotated

from brushwork_schemas.errors import Unauthorized
from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from brushwork.gateway.admission.access import COOKIE
from brushwork.gateway.services import Services
from brushwork.page.page_route import PageRoute
from brushwork.page.session import THEME, THEMES, Session, redirect_to
from brushwork.page.words import COOKIE as LANGUAGE
from brushwork.page.words import LANGUAGES

router = APIRouter(route_class=PageRoute)
Gateway = Annotated[Services, Depends(Services.of)]


@router.get("/login")
def login_form(request: Request, services: Gateway, next: str = "/") -> Response:  # noqa: A002 - in the address
    """Ask for a key. A caller who needs none is redirected."""
    try:
        services.access.principal(request.cookies.get(COOKIE))
    except Unauthorized:
        if services.access.is_open():
            # The cookie is of another gateway on this machine, which browsers cannot tell apart. This one
            # requires no key.
            return redirect_to(next, {COOKIE: None}, secure=request.url.scheme == "https")
        return Session(request).shown("login.html", next=next, error=None)
    return redirect_to(next)


@router.post("/login")
def login(
    request: Request,
    services: Gateway,
    key: Annotated[str, Form(max_length=200)] = "",
    next: Annotated[str, Form(max_length=2000)] = "/",  # noqa: A002 - the field's name
) -> Response:
    """Store a valid key in a cookie."""
    try:
        services.access.principal(key.strip())
    except Unauthorized as error:
        return Session(request).shown("login.html", 401, next=next, error=error)
    return redirect_to(next, {COOKIE: key.strip()}, secure=request.url.scheme == "https")


@router.post("/logout")
def logout(request: Request) -> Response:
    """Delete the cookie with the key."""
    return redirect_to("/login", {COOKIE: None}, secure=request.url.scheme == "https")


@router.post("/preferences")
def preferences(
    language: Annotated[str, Form()] = "",
    theme: Annotated[str, Form()] = "",
    next: Annotated[str, Form(max_length=2000)] = "/",  # noqa: A002 - the field's name
) -> Response:
    """Store the choice of language or theme in a cookie."""
    chosen: dict[str, str | None] = {}
    if language in LANGUAGES:
        chosen[LANGUAGE] = language
    if theme in THEMES:
        chosen[THEME] = theme
    return redirect_to(next, chosen)
