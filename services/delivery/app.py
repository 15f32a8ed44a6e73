"""The only place where delivery is built and joined."""

from starlette.types import ASGIApp

from services.chassis import clock
from services.chassis.duty import Chore, Duty
from services.chassis.keys.person import MongoPersonKeys
from services.chassis.keys.sealing import KeyFile
from services.chassis.keys.vault import Vault
from services.chassis.service import Parts, Room, Worker
from services.chassis.web import http
from services.chassis.web.auth import Auth
from services.delivery import api, consumers, pages
from services.delivery.api.desk import Desk
from services.delivery.gateways.pace import Pace
from services.delivery.gateways.packages import Packages
from services.delivery.gateways.signing import EndpointSecrets
from services.delivery.gateways.webhooks import AT_ONCE, TIMEOUT_SECONDS, Webhooks
from services.delivery.handlers import Handlers
from services.delivery.handlers.jobs import catch_up_job, expire_job
from services.delivery.handlers.telling import ENDPOINTS, NOTICES_WAITING, Telling, find_late
from services.delivery.settings import CONSENT_KEYS, OWN_KEY, SESSION_KEYS, Settings
from services.delivery.store import SHELVES, Questions

EXPIRY_SECONDS = 10.0
CATCH_UP_SECONDS = 2.0


async def build_api(room: Room) -> ASGIApp:
    """The HTTP app: JSON and pages over the same desk."""
    settings: Settings = room.settings
    own = KeyFile(settings.key_file(OWN_KEY))
    auth = Auth(KeyFile(settings.key_file(SESSION_KEYS)), public_url=settings.public_url)
    vault = Vault.from_url(settings.vault_url.get_secret_value())
    room.health.check("vault", vault.check)
    keys = MongoPersonKeys.from_settings(room.store.client, settings)
    desk = Desk(
        Handlers(room.work),
        Questions(room.store),
        Packages(vault, keys, own),
        EndpointSecrets(own),
        local=not settings.strict,
        ports=settings.webhook_ports,
    )
    routers = [api.routes(desk), pages.routes(desk, keys)]
    return http.build("delivery", routers=routers, health=room.health, auth=auth, public_url=settings.public_url)


async def build_worker(room: Room) -> Worker:
    """What delivery hears, whom it tells, and what runs out."""
    settings: Settings = room.settings
    questions = Questions(room.store)
    room.census.ask(ENDPOINTS, questions.endpoint_classes, labels=["state"])
    room.census.ask(consumers.WATERMARK_AGE, consumers.age_of_watermarks(questions))
    room.census.ask(NOTICES_WAITING, questions.waiting_by_class, labels=["state"])
    webhooks = Webhooks(local=not settings.strict, ports=settings.webhook_ports)
    room.closing.push_async_callback(webhooks.close)
    telling = Telling(questions, webhooks, EndpointSecrets(KeyFile(settings.key_file(OWN_KEY))), Pace())
    verify = consumers.verifier(KeyFile(settings.key_file(CONSENT_KEYS)).keys)
    return Worker(
        hearing=consumers.hearing(verify, questions, origin=settings.public_url, teller=telling),
        duties=[
            Duty(
                "delivery.tell",
                find_due=telling.find_due,
                begin=telling.begin,
                act=telling.act,
                record=telling.record,
                concurrency=AT_ONCE,
                timeout=TIMEOUT_SECONDS + 5,
            ),
            Chore(
                "delivery.catch-up",
                find_due=lambda now, limit: find_late(questions, limit, now),
                begin=lambda late: catch_up_job(late.endpoint, late.delivery, clock.now()),
                every=CATCH_UP_SECONDS,
            ),
            Chore(
                "delivery.expire",
                find_due=questions.expired,
                begin=lambda delivery: expire_job(delivery, clock.now()),
                every=EXPIRY_SECONDS,
            ),
        ],
    )


PARTS = Parts(name="delivery", settings=Settings, shelves=SHELVES, api=build_api, worker=build_worker)
