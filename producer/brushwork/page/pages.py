"""All routes of the page. The OpenAPI document leaves them out, because they are for browsers."""

from fastapi import APIRouter

from brushwork.gateway.application import Page
from brushwork.page import assets
from brushwork.page.page_route import error_page
from brushwork.page.routes import (
    gallery,
    home,
    job_page,
    login,
    origin,
    reviews_page,
    small_pictures,
    workers_page,
)

router = APIRouter(include_in_schema=False)
for part in (home, origin, gallery, job_page, workers_page, reviews_page, login, small_pictures, assets):
    router.include_router(part.router)
PAGE = Page(router, error_page)
