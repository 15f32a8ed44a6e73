"""The only place where consent is built and joined."""

from datetime import datetime

from joserfc.jwk import OKPKey
from starlette.types import ASGIApp

from contracts import grant
from contracts.consent.v1 import WatermarkPassed
from contracts.event import Event
from contracts.grant import Grant
from contracts.topics import BY_NAME
from services.chassis import clock
from services.chassis.duty import Chore, Tick
from services.chassis.keys.person import MongoPersonKeys
from services.chassis.keys.sealing import KeyFile
from services.chassis.service import Parts, Room, Worker
from services.chassis.store.work import Work
from services.chassis.web import http
from services.chassis.web.auth import Auth
from services.consent import api, consumers, pages
from services.consent.api.desk import Desk
from services.consent.domain.signing import SignGrant
from services.consent.handlers import Handlers, expire_job
from services.consent.settings import GRANT_KEY, PUBLIC_KEYS, SESSION_KEYS, Settings
from services.consent.store import SHELVES, Questions

WATERMARK_SECONDS = 5.0
"""How often a watermark is written to every partition: a quarter of the 20 s after which delivery stops disclosing. Three may
be late or lost, or clocks be 5 s apart and two late, before a healthy house is refused anything."""
EXPIRY_SECONDS = 2.0


async def build_api(room: Room) -> ASGIApp:
    """The HTTP app: JSON and pages over the same desk."""
    settings: Settings = room.settings
    auth = Auth(KeyFile(settings.key_file(SESSION_KEYS)), public_url=settings.public_url)
    handlers = Handlers(room.work, _signer(KeyFile(settings.key_file(GRANT_KEY))))
    desk = Desk(handlers, Questions(room.store), auth)
    keys = MongoPersonKeys.from_settings(room.store.client, settings)
    public = KeyFile(settings.key_file(PUBLIC_KEYS))
    routers = [api.routes(desk, public), pages.routes(desk, keys)]
    return http.build("consent", routers=routers, health=room.health, auth=auth, public_url=settings.public_url)


async def build_worker(room: Room) -> Worker:
    """What consent hears, what expires, and the watermark."""
    questions = Questions(room.store)
    return Worker(
        hearing=consumers.hears,
        duties=[
            Chore(
                "consent.expire",
                find_due=questions.expiring,
                begin=lambda request: expire_job(request, clock.now()),
                every=EXPIRY_SECONDS,
            ),
            Tick("consent.watermark", Watermark(room.work), every=WATERMARK_SECONDS),
        ],
    )


def _signer(file: KeyFile) -> SignGrant:
    """Signs with the newest private key of the file; re-read when it changes, so that a key rotates without a restart."""

    def sign(claims: Grant) -> str:
        key = file.signing_key("Ed25519")
        assert isinstance(key, OKPKey)
        return grant.sign(claims, key)

    return sign


class Watermark:
    """One beat: an event for each partition, behind everything that was committed before it."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._partitions = BY_NAME[WatermarkPassed.topic].partitions

    async def __call__(self, at: datetime) -> None:
        events: dict[int, Event] = {
            partition: WatermarkPassed(version=1, watermark_id=f"watermark-{partition}", partition=partition, at=at)
            for partition in range(self._partitions)
        }
        await self._work.post_barriers(f"watermark:{at.isoformat()}", at, events)


PARTS = Parts(name="consent", settings=Settings, shelves=SHELVES, api=build_api, worker=build_worker)
