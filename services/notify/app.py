"""The only place where notify is built and joined."""

from starlette.types import ASGIApp

from services.chassis.keys.person import MongoPersonKeys
from services.chassis.keys.sealing import KeyFile
from services.chassis.service import Parts, Room, Worker
from services.chassis.web import http
from services.chassis.web.auth import Auth
from services.notify import api, consumers, pages
from services.notify.api.desk import Desk
from services.notify.gateways.letters import Letters
from services.notify.gateways.smtp import SmtpServer
from services.notify.handlers import Handlers
from services.notify.handlers.sending import Post, Rules
from services.notify.settings import SESSION_KEYS, Settings
from services.notify.store import SHELVES, Questions


async def build_api(room: Room) -> ASGIApp:
    """The HTTP app: JSON and pages over the same desk."""
    settings: Settings = room.settings
    auth = Auth(KeyFile(settings.key_file(SESSION_KEYS)), public_url=settings.public_url)
    questions = Questions(room.store)
    keys = MongoPersonKeys.from_settings(room.store.client, settings)
    room.health.check("keys", keys.check)
    desk = Desk(Handlers(room.work, questions), questions, keys)
    routers = [api.routes(desk), pages.routes(desk)]
    return http.build("notify", routers=routers, health=room.health, auth=auth, public_url=settings.public_url)


async def build_worker(room: Room) -> Worker:
    """What notify hears, and what it sends. A mail server that is away does not make the worker unready: mails wait."""
    settings: Settings = room.settings
    server = SmtpServer(settings.smtp_url.get_secret_value())
    room.closing.push_async_callback(server.close)
    keys = MongoPersonKeys.from_settings(room.store.client, settings)
    rules = Rules.of(
        origin=settings.public_url,
        sender=settings.sender,
        test_only=settings.test_only,
        test_domains=settings.mail_test_domains,
        retry=settings.retry,
    )
    post = Post(Questions(room.store), keys, Letters(settings.public_url), server, rules)
    return Worker(hearing=consumers.hears, duties=[post.duty()])


PARTS = Parts(name="notify", settings=Settings, shelves=SHELVES, api=build_api, worker=build_worker)
