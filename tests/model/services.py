"""The services of the release path, built as `app.py` builds them, over the model's store and broker.

No rendering and no vault: a package is made by naming its digest. Grants are really signed and verified.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from joserfc.jwk import KeySet, OKPKey

from contracts import grant
from contracts.grant import Grant
from services.chassis.decision import Refusal
from services.chassis.kafka.hearing import Hearing
from services.chassis.kafka.relay import Relay
from services.chassis.kafka.sending import LeaseLost
from services.chassis.kafka.verdicts import Judge
from services.chassis.keys.sealing import KeyFile, sha256
from services.chassis.store.work import NotNow, Work
from services.consent import app as consent_app
from services.consent import consumers as consent_consumers
from services.consent import handlers as consent_handlers
from services.consent import store as consent_store
from services.delivery import consumers as delivery_consumers
from services.delivery import handlers as delivery_handlers
from services.delivery import store as delivery_store
from services.delivery.api.desk import Desk
from services.delivery.domain import Delivery
from services.delivery.gateways.packages import Document, Packages
from services.delivery.gateways.signing import EndpointSecrets
from services.notify import consumers as notify_consumers
from services.notify import store as notify_store
from services.records import consumers as records_consumers
from services.records import handlers as records_handlers
from services.records import store as records_store
from services.records.domain.sealing import Made
from services.records.gateways.cabinet import Cabinet
from services.records.gateways.packager import Order, Packager
from tests.model.broker import Broker, MemoryPublisher, MemorySending
from tests.model.cast import OUTLINE
from tests.model.store import ModelStore
from tests.support.person_keys import MemoryPersonKeys

ORIGIN = "https://placet.example"
GRANT_KEYS = [OKPKey.generate_key("Ed25519", private=True, auto_kid=True) for _ in range(2)]
"""Consent's key, and the one it signs with after a rotation; both are known to whoever verifies."""
FORGERS_KEY = OKPKey.generate_key("Ed25519", private=True, auto_kid=True)
DELIVERY_KEY = OKPKey.generate_key("X25519", private=True, auto_kid=True)


NOWHERE = Path("/nowhere")


class HeldKeys(KeyFile):
    """Keys without a file."""

    __slots__ = ()

    def __init__(self, *keys: OKPKey) -> None:
        super().__init__(NOWHERE, _keys=KeySet([*keys]))

    def keys(self) -> KeySet:
        assert self._keys is not None
        return self._keys

    def public(self) -> X25519PublicKey:
        return cast("X25519PublicKey", DELIVERY_KEY.public_key)


GRANTS, OWN = HeldKeys(*GRANT_KEYS), HeldKeys(DELIVERY_KEY)
OLD_GRANTS = HeldKeys(GRANT_KEYS[0])


class Service:
    """One service: its store lives on when the process dies, everything else is built anew."""

    name: str

    def __init__(self, store: ModelStore, broker: Broker) -> None:
        self.store = store
        self.broker = broker
        self.restart()

    def restart(self) -> None:
        """The process begins."""
        self.work = Work(self.store, self.shelves)
        self.judge = Judge(self.hearing(), self.work, pause=0)
        self.sending = MemorySending(self.store)
        self.publisher = MemoryPublisher(self.broker)
        self.relay = Relay(self.sending, self.publisher, watch=False)

    shelves: tuple[Any, ...]

    def hearing(self) -> Hearing:
        raise NotImplementedError

    async def look(self, *, takes: int | None = None, dies: bool = False) -> bool:
        """One look of the real relay at the outbox. `takes`: the broker takes so many rows; `dies`: before it marks."""
        self.publisher.takes, self.sending.dies = takes, dies
        try:
            more = await self.relay._drain()
        except (NotNow, LeaseLost):
            assert dies or takes is not None
            more = True
        await asyncio.gather(*filter(None, [self.relay._marking]), return_exceptions=True)
        if dies:
            self.restart()
        else:
            self.relay._see_marking()
        return more


class Consent(Service):
    name = "consent"
    shelves = consent_store.SHELVES

    def restart(self) -> None:
        super().restart()
        self.handlers = consent_handlers.Handlers(self.work, self._sign)
        self.watermark = consent_app.Watermark(self.work)
        self.questions = consent_store.Questions(self.store)

    key = GRANT_KEYS[0]

    def _sign(self, claims: Grant) -> str:
        return grant.sign(claims, self.key)

    def hearing(self) -> Hearing:
        return consent_consumers.hears


class NamingPackager:
    """Makes a package by naming its digest: the same order, the same bytes."""

    def __init__(self, keys: MemoryPersonKeys) -> None:
        self.cabinet = cast("Cabinet", _Keys(keys))
        self.made: dict[str, Order] = {}
        """By digest: what each package was made of."""

    async def make(self, order: Order) -> Made:
        digest = sha256(f"{order.package_id} {order.selection.key}".encode())
        self.made[digest] = order
        return Made(f"vault/{order.package_id}", digest, 184_000, partial=not order.selection.whole, outline=OUTLINE)


class _Keys:
    """What sealing asks of the cabinet."""

    def __init__(self, keys: MemoryPersonKeys) -> None:
        self.keys = keys


class Records(Service):
    name = "records"
    shelves = records_store.SHELVES
    knows_new_key = True

    def __init__(self, store: ModelStore, broker: Broker, packager: NamingPackager) -> None:
        self.packager = packager
        super().__init__(store, broker)

    def restart(self) -> None:
        self.questions = records_store.Questions(self.store)
        super().restart()
        self.seals = records_handlers.Seals(self.work, cast("Packager", self.packager))
        self.holds = records_handlers.Holds(self.work, self.packager.cabinet.keys)

    def hearing(self) -> Hearing:
        keys = self.packager.cabinet.keys
        return records_consumers.hearing(self.questions, keys, LateKeys(self), OWN)


class LateKeys(KeyFile):
    """Consent's public keys as records has them: a new one may arrive late."""

    __slots__ = ("_records",)

    def __init__(self, records: Records) -> None:
        super().__init__(NOWHERE)
        self._records = records

    def keys(self) -> KeySet:
        return (GRANTS if self._records.knows_new_key else OLD_GRANTS).keys()


class SlowVault:
    """Hands out a package; while it is fetched, the world may go on."""

    def __init__(self) -> None:
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    async def fetch(self, delivery: Delivery) -> Document | Refusal:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return Document("transcript.zip", "application/zip", delivery.package_digest.encode())


class Deliveries(Service):
    name = "delivery"
    shelves = delivery_store.SHELVES

    def restart(self) -> None:
        super().restart()
        self.questions = delivery_store.Questions(self.store)
        self.handlers = delivery_handlers.Handlers(self.work)
        self.vault = SlowVault()
        self.desk = Desk(
            self.handlers,
            self.questions,
            cast("Packages", self.vault),
            EndpointSecrets(OWN),
            local=True,
            ports=(443,),
        )

    def hearing(self) -> Hearing:
        verify = delivery_consumers.verifier(GRANTS.keys)
        return delivery_consumers.hearing(verify, delivery_store.Questions(self.store), origin=ORIGIN)


class Notify(Service):
    """Hears all of it; what it mails is tested elsewhere."""

    name = "notify"
    shelves = notify_store.SHELVES

    def hearing(self) -> Hearing:
        return notify_consumers.hears
