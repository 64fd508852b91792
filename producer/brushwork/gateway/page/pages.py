"""All routes of the page; they are for browsers, so the OpenAPI document leaves them out."""

from fastapi import APIRouter

from brushwork.gateway.page import assets, doorway, front, gallery, job_page, thumbnail, workers_page

router = APIRouter(include_in_schema=False)
for part in (front, gallery, job_page, workers_page, doorway, thumbnail, assets):
    router.include_router(part.router)
