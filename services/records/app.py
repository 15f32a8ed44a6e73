"""The only place where records is built and joined."""

from functools import cache

from starlette.types import ASGIApp

from services.chassis import clock
from services.chassis.duty import Chore
from services.chassis.keys.person import MongoPersonKeys
from services.chassis.keys.sealing import KeyFile, read_secret
from services.chassis.keys.vault import Vault
from services.chassis.service import Parts, Room, Worker
from services.chassis.web import http
from services.chassis.web.auth import Auth
from services.records import api, consumers, pages
from services.records.api.desk import Desk
from services.records.gateways.cabinet import Cabinet
from services.records.gateways.packager import Packager
from services.records.gateways.renderer import RenderPool
from services.records.handlers import Drafts, Holds, Seals
from services.records.handlers.holds import hold_over_job, waiting_over_job
from services.records.handlers.packages import package_duty
from services.records.settings import (
    ADDRESS_KEY,
    CONSENT_KEYS,
    DELIVERY_KEYS,
    ISSUER_KEYS,
    PUBLIC_KEYS,
    SESSION_KEYS,
    Settings,
)
from services.records.store import SHELVES, Questions

OVER_SECONDS = 5.0
"""How often holds and grants are looked at that may have run out."""


async def build_api(room: Room) -> ASGIApp:
    """The HTTP app: JSON and pages over the same desk."""
    settings: Settings = room.settings
    auth = Auth(KeyFile(settings.key_file(SESSION_KEYS)), public_url=settings.public_url)
    packager = _packager(room)
    cabinet = packager.cabinet
    desk = Desk(
        questions=Questions(room.store),
        auth=auth,
        cabinet=cabinet,
        drafts=Drafts(room.work, cabinet),
        seals=Seals(room.work, packager),
        holds=Holds(room.work, cabinet.keys),
    )
    public = KeyFile(settings.key_file(PUBLIC_KEYS))
    routers = [api.routes(desk, public, public_url=settings.public_url), pages.routes(desk)]
    return http.build("records", routers=routers, health=room.health, auth=auth, public_url=settings.public_url)


async def build_worker(room: Room) -> Worker:
    """What records hears, the packages that requests wait for, and what runs out."""
    settings: Settings = room.settings
    questions, packager = Questions(room.store), _packager(room)
    hearing = consumers.hearing(
        questions,
        packager.cabinet.keys,
        KeyFile(settings.key_file(CONSENT_KEYS)),
        KeyFile(settings.key_file(DELIVERY_KEYS)),
    )
    return Worker(
        hearing=hearing,
        duties=[
            package_duty(questions, packager),
            Chore(
                "records.hold-over",
                find_due=questions.holds_over,
                begin=lambda transcript: hold_over_job(transcript, clock.now()),
                every=OVER_SECONDS,
            ),
            Chore(
                "records.grant-over",
                find_due=questions.waiting_over,
                begin=lambda release: waiting_over_job(release, clock.now()),
                every=OVER_SECONDS,
            ),
        ],
    )


def _packager(room: Room) -> Packager:
    settings: Settings = room.settings
    vault = Vault.from_url(settings.vault_url.get_secret_value())
    keys = MongoPersonKeys.from_settings(room.store.client, settings)
    room.health.check(f"vault-{room.role}", vault.check)
    room.health.check(f"keys-{room.role}", keys.check)
    pool = _pool()
    room.closing.callback(pool.close)
    cabinet = Cabinet(vault, keys, read_secret(settings.key_file(ADDRESS_KEY)))
    return Packager(cabinet, pool, KeyFile(settings.key_file(ISSUER_KEYS)), public_url=settings.public_url)


@cache
def _pool() -> RenderPool:
    """One drawing process for the whole of a process, whatever its roles: it weighs 320 MB. It starts when first asked."""
    return RenderPool()


PARTS = Parts(name="records", settings=Settings, shelves=SHELVES, api=build_api, worker=build_worker)
