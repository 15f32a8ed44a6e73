"""Delivery alone: released events as records would write them, signed grants and all, and the webhooks that come of them.

The other services are down meanwhile. Grants are signed with the house's own consent key and put on the topic under
records' own relay credential: only on the machine where both lie.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import aiohttp
from joserfc.jwk import OKPKey

from contracts import grant
from contracts.grant import Grant, Grantor
from contracts.records.v1 import TranscriptReleased
from contracts.types import (
    Basis,
    BasisCode,
    Capacity,
    OrganizationId,
    PackageId,
    PersonId,
    Purpose,
    ReleaseId,
    RequestId,
    Selection,
    TranscriptId,
)
from services.chassis import clock, ids
from services.chassis.kafka.access import KafkaAccess
from services.chassis.kafka.relay import KafkaPublisher
from services.chassis.store import outbox
from services.chassis.store.shelf import Document
from tests.bench.figures import Figure, Latency
from tests.bench.floor import paced
from tests.bench.measures import repeats
from tests.bench.stand import CHORUSES, VOICES, Stand, spread

DIGEST = "sha256:" + "0" * 64
PEER_DELIVERED, PEER_FANOUT = 845.0, 4_357.0
"""Svix 1.100 on such a machine: messages taken and delivered a second, and webhooks a second to 100 endpoints."""
AT_ONCE = 32


@dataclass
class Releases:
    """Makes released events and puts them on the topic."""

    stand: Stand

    def __post_init__(self) -> None:
        folder = self.stand.house.folder / "keys"
        self._key = OKPKey.import_key(json.loads((folder / "consent.private.jwks.json").read_text())["keys"][0])
        login = self.stand.house.credentials.kafka_login("records-relay")
        broker = self.stand.house.kafka
        access = KafkaAccess(broker.bootstrap, login.user, login.password, broker.cafile)
        self._publisher = KafkaPublisher(access, client_id="bench-releases", topics=["records.releases"])

    def rows(self, recipients: Sequence[str], n: int) -> list[Document]:
        """Rows of an outbox, ready to be published."""
        return [self._row(recipients[number % len(recipients)]) for number in range(n)]

    async def publish(self, rows: Sequence[Document]) -> None:
        for first in range(0, len(rows), 500):
            if len(await self._publisher.publish(rows[first : first + 500])) < len(rows[first : first + 500]):
                raise RuntimeError("the broker did not take the releases")

    async def close(self) -> None:
        await self._publisher.close()

    def _row(self, recipient: str) -> Document:
        now = clock.now()
        request_id, student = RequestId(ids.new("req")), PersonId("per_bench")
        allowed = Grant(
            jti=ids.new("grt"), iat=int(now.timestamp()), exp=int((now + timedelta(days=30)).timestamp()), sub=student,
            request_id=request_id, school_id=OrganizationId("org_bench"), transcript_id=TranscriptId("trn_bench"),
            transcript_version=1, transcript_digest=DIGEST, selection=Selection(), package_id=PackageId("pkg_bench"),
            package_digest=DIGEST, recipient_id=OrganizationId(recipient), purpose=Purpose.ADMISSION,
            basis=Basis(code=BasisCode.STUDENT_CONSENT, section="34 CFR 99.30", words="bench"),
            grantor=Grantor(
                person_id=student, capacity=Capacity.STUDENT_DIRECTION, method="totp", at=int(now.timestamp())
            ),
        )  # fmt: skip
        event = TranscriptReleased(
            version=1, request_id=request_id, school_id=allowed.school_id, student_id=student,
            recipient_id=allowed.recipient_id, release_id=ReleaseId(ids.derived("rel", allowed.jti)),
            package_id=allowed.package_id, package_digest=DIGEST, place="00/bench", size=1, sealed_key="AA==",
            grant=grant.sign(allowed, self._key), released_at=now,
        )  # fmt: skip
        return outbox.row(event, cause=allowed.jti, at=now, order=0)


async def delivery(stand: Stand, n: int) -> list[Figure]:
    """All of it, with the rest of the house at rest."""
    for name in ("identity", "consent", "records", "notify"):
        await stand.house.stop_service(name)
    releases = Releases(stand)
    try:
        figures = [
            *await _saturated(stand, releases, n),
            *await _fan_out(stand, releases, n // VOICES),
            *await _paced(stand, releases, 80),
            await _killed(stand, releases, n),
        ]
    finally:
        await releases.close()
        for name in ("identity", "consent", "records", "notify"):
            await stand.house.start_service(name)
    return figures


async def _saturated(stand: Stand, releases: Releases, n: int) -> list[Figure]:
    await _through(stand, releases, stand.colleges, 40, 1)
    per_second, cpu = await _through(stand, releases, stand.colleges, n, 1)
    return [
        Figure(
            what="delivery alone: released events in, signed webhooks received", unit="/s", value=per_second, goal=1.5,
            floor=PEER_DELIVERED, floor_is="the peer, elsewhere", note=f"{n} events; delivery's CPU {cpu:.2f} ms each",
        )
    ]  # fmt: skip


async def _fan_out(stand: Stand, releases: Releases, n: int) -> list[Figure]:
    per_second, cpu = await _through(stand, releases, stand.choruses, n, VOICES)
    client = await _bare_client(stand, n * VOICES)
    what = f"webhook fan-out to {CHORUSES * VOICES} endpoints"
    note = f"{n} events, {n * VOICES} webhooks; delivery's CPU {cpu:.2f} ms each"
    return [
        Figure(
            what=what, unit="/s", value=per_second, goal=1, floor=PEER_FANOUT, floor_is="the peer, elsewhere", note=note
        ),
        Figure(
            what=what, unit="/s", value=per_second, goal=0.5, floor=client, floor_is=f"aiohttp alone, {AT_ONCE} at once"
        ),
    ]  # fmt: skip


async def _through(
    stand: Stand, releases: Releases, recipients: Sequence[str], n: int, voices: int
) -> tuple[float, float]:
    """Webhooks a second from the first event published to the last webhook, and CPU ms of each."""
    rows = releases.rows(recipients, n)
    since, meter = len(await stand.seen("hook")), stand.meter("delivery")
    began = clock.seconds()
    await releases.publish(rows)
    found = await stand.until_seen("hook", since, n * voices, seconds=60)
    took = max(at for at, _, _ in found) - began
    await stand.quiet()
    return len(found) / took, meter.seconds()["delivery"] * 1000 / max(1, len(found))


async def _paced(stand: Stand, releases: Releases, n: int) -> list[Figure]:
    """Ten events a second, from the broker's acknowledgement on."""
    rows = releases.rows(stand.colleges, n)
    since = len(await stand.seen("hook"))
    said: dict[str, float] = {}

    async def one(row: Document) -> None:
        await releases.publish([row])
        said[row["key"]] = clock.seconds()

    await paced(10, [lambda row=row: one(row) for row in rows])  # type: ignore[misc]
    found = await stand.until_seen("hook", since, n, seconds=20)
    latency = Latency([at - said[about] for at, about, _ in found if about in said])
    return [
        Figure(
            what="delivery alone: event on its topic → webhook received, at 10/s, p50", unit="ms", value=latency.p50,
            note=f"p99 {latency.p99:.1f} ms",
        )
    ]  # fmt: skip


async def _killed(stand: Stand, releases: Releases, n: int) -> Figure:
    """kill -9 in the middle of a backlog."""
    since = len(await stand.seen("hook"))
    await releases.publish(releases.rows(stand.colleges, n))
    await stand.until_seen("hook", since, n // 4, seconds=30)
    await stand.house.kill_service("delivery")
    killed = clock.seconds()
    await stand.house.start_service("delivery")
    # Whatever was under way at the kill becomes due again a minute after it was begun.
    found = await stand.until_seen("hook", since, n, seconds=90)
    while len({about for _, about, _ in found}) < n and clock.seconds() < killed + 90:
        await asyncio.sleep(0.5)
        found = await stand.seen("hook", since)
    again = min((at for at, _, _ in found if at > killed + 0.3), default=float("nan")) - killed
    lost = n - len({about for _, about, _ in found})
    value = again if not lost else float("nan")
    return Figure(
        what="kill -9 of delivery in the middle of a backlog: going again", unit="s", value=value, goal=10,
        way="at most", note=f"{lost} of {n} lost; {repeats(found)} came again, each under its own webhook-id; the last "
        f"after {max(at for at, _, _ in found) - killed:.0f} s",
    )  # fmt: skip


async def _bare_client(stand: Stand, n: int) -> float:
    """POSTs a second by the bare HTTP client to the same listener, from this process."""
    body, since = b"x" * 400, len(await stand.seen("plain"))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as web:

        async def several(count: int) -> None:
            for _ in range(count):
                async with web.post(f"{stand.receiver}/plain", data=body) as answer:
                    await answer.read()

        await asyncio.gather(*(several(n // AT_ONCE) for _ in range(AT_ONCE)))
    found = await stand.seen("plain", since)
    return len(found) / spread([at for at, _, _ in found])
