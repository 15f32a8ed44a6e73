"""Web pages: the same desk as the API, rendered for people."""

from fastapi import APIRouter

from services.records.api.desk import Desk


def routes(desk: Desk) -> APIRouter:
    """The pages of records."""
    return APIRouter(include_in_schema=False)
