"""The only place where identity is built and joined."""

from starlette.types import ASGIApp

from services.chassis.duty import Chore
from services.chassis.keys.person import MongoPersonKeys
from services.chassis.keys.sealing import KeyFile, read_secret
from services.chassis.service import Parts, Room, Worker
from services.chassis.web import http
from services.chassis.web.auth import Auth
from services.identity import api, consumers, pages
from services.identity.api.desk import Desk, Rooms
from services.identity.gateways.marks import Marks
from services.identity.gateways.sessions import Sessions
from services.identity.handlers import Access, BirthdaysDue, Organizations, Readers, RosterImport
from services.identity.settings import Settings
from services.identity.store import SHELVES, Questions

BIRTHDAY_SECONDS = 60.0
"""How often birthdays are looked for. A right that begins at midnight is there a minute later."""


async def build_api(room: Room) -> ASGIApp:
    """The HTTP app: JSON and pages over the same desk."""
    settings: Settings = room.settings
    auth = Auth(KeyFile(settings.public_keys), public_url=settings.public_url)
    keys = MongoPersonKeys.from_settings(room.store.client, settings)
    room.health.check("person-keys", keys.check)
    marks = Marks(read_secret(settings.blind_index_key))
    questions = Questions(room.store)
    desk = Desk(
        Rooms(
            questions=questions,
            organizations=Organizations(room.work),
            readers=Readers(room.work, questions, keys, marks),
            rosters=RosterImport(room.work, questions, keys, marks),
            access=Access(room.work, questions, keys, marks, operator_digest=settings.operator_token_sha256),
            keys=keys,
            marks=marks,
            sessions=Sessions(KeyFile(settings.session_key)),
            auth=auth,
        )
    )
    routers = [api.routes(desk), pages.routes(desk)]
    return http.build("identity", routers=routers, health=room.health, auth=auth, public_url=settings.public_url)


async def build_worker(room: Room) -> Worker:
    """Nothing to hear; birthdays to keep."""
    settings: Settings = room.settings
    due = BirthdaysDue(Questions(room.store), Marks(read_secret(settings.blind_index_key)))
    chore = Chore("identity.birthdays", find_due=due.find, begin=due.job, every=BIRTHDAY_SECONDS)
    return Worker(hearing=consumers.hears, duties=[chore])


PARTS = Parts(name="identity", settings=Settings, shelves=SHELVES, api=build_api, worker=build_worker)
