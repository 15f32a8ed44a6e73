"""What people do about a request, each act through the front door: read, approve, take back, wait for what becomes of it."""

import asyncio
from collections.abc import Callable

from deploy.demo.cast import Caller, Json, Person
from services.chassis import clock

PATIENCE = 30.0
"""Seconds until what was set going must have come to its end."""


async def sign(signer: Person, request_id: str) -> Json:
    """Read what would go, then approve exactly that: the digest shown, the notice read, a fresh code."""
    shown = await until(signer, request_id, lambda one: one["package_digest"] is not None)
    notice = await signer.get("/consent/notice")
    body = {"package": shown["package_digest"], "notice": notice["digest"]}
    step_up = await signer.step_up("consent.sign", request_id, shown["package_digest"])
    return await signer.post(f"/consent/requests/{request_id}/signature", body, step_up=step_up)


async def approve_for_school(registrar: Person, request_id: str) -> Json:
    """The school's own approval of the same bytes."""
    shown = await registrar.get(f"/consent/requests/{request_id}")
    notice = await registrar.get("/consent/notice")
    body = {"package": shown["package_digest"], "notice": notice["digest"]}
    step_up = await registrar.step_up("consent.approve", request_id, shown["package_digest"])
    return await registrar.post(f"/consent/requests/{request_id}/school-approval", body, step_up=step_up)


async def take_back(who: Person, request_id: str) -> Json:
    """Revoke, with a fresh code."""
    step_up = await who.step_up("consent.revoke", request_id)
    return await who.post(f"/consent/requests/{request_id}/revocation", step_up=step_up)


async def until(who: Caller, request_id: str, true: Callable[[Json], bool], *, patience: float = PATIENCE) -> Json:
    """The request as soon as `true` of it; as it is when patience ends."""
    deadline = clock.seconds() + patience
    while True:
        found = await who.get(f"/consent/requests/{request_id}")
        if true(found) or clock.seconds() > deadline:
            return found
        await asyncio.sleep(0.05)
