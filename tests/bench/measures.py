"""The path of a release, measured from outside: each function plays one scene on the stand and answers with its figures."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime

from deploy.demo.cast import Json
from services.chassis import clock
from tests.bench.figures import Figure, Latency
from tests.bench.floor import paced
from tests.bench.stand import Seen, Stand, spread

PACE = 10.0
"""Approvals a second where a latency is asked for."""


class Floors:
    """What was measured of the floor and the bare mechanism in this run, for the lines that are told beside it."""

    def __init__(self) -> None:
        self.single = self.batch = float("nan")
        self.floor_latency = self.bare_latency = Latency([])
        self.bare_per_second = float("nan")
        self.bare_cpu_ms = float("nan")


async def floors(stand: Stand, known: Floors) -> list[Figure]:
    """The bare pipeline, saturated: five hops."""
    single = await stand.floor(hops=5, mode="single", write="insert", n=300)
    batch = await stand.floor(hops=5, mode="batch", write="txn", n=3_000)
    known.single, known.batch = single["per_second"], batch["per_second"]
    return [
        Figure(what="floor: single/insert, 5 hops, saturated", unit="/s", value=known.single),
        Figure(what="floor: batch/txn, 5 hops, saturated", unit="/s", value=known.batch),
    ]


async def bare(stand: Stand, known: Floors, seconds: float) -> list[Figure]:
    """Two hops at ten a second by the floor and by the chassis with empty decisions; and the latter saturated."""
    n = int(PACE * seconds)
    told = await stand.floor(hops=2, mode="batch", write="txn", n=n, rate=PACE)
    known.floor_latency = Latency([told["p50_ms"] / 1000])
    reach = str(stand.folder / "reach.json")
    second = await stand.spawn("second", "bare", reach, "second", "{}")
    third = await stand.spawn("third", "bare", reach, "third", json.dumps({"url": f"{stand.receiver}/plain"}))
    try:
        await _pass(stand, n=20, rate=0.0)  # joined, connected, warm
        latency = await _pass(stand, n=n, rate=PACE)
        known.bare_latency = Latency(list(latency.values()))
        since, many = len(await stand.seen("plain")), 2_000
        meter = clock.seconds()
        await stand.ask("bare", reach, "first", json.dumps({"n": many, "rate": 0.0}))
        found = await stand.until_seen("plain", since, many, seconds=60)
        known.bare_per_second = len(found) / spread([at for at, _, _ in found]) if found else float("nan")
        stand.say(f"bare mechanism saturated in {clock.seconds() - meter:.1f} s")
    finally:
        await asyncio.gather(second.stop(), third.stop())
    return [
        Figure(what="floor: batch/txn, 2 hops, at 10/s, p50", unit="ms", value=known.floor_latency.p50),
        Figure(what="bare mechanism: 2 hops and a POST, at 10/s, p50", unit="ms", value=known.bare_latency.p50),
        Figure(what="bare mechanism: the same, p99", unit="ms", value=known.bare_latency.p99),
        Figure(what="bare mechanism: saturated", unit="/s", value=known.bare_per_second),
    ]


async def _pass(stand: Stand, *, n: int, rate: float) -> dict[str, float]:
    """Seconds from commit to POST, by message."""
    since = len(await stand.seen("plain"))
    [committed] = await stand.ask("bare", str(stand.folder / "reach.json"), "first", json.dumps({"n": n, "rate": rate}))
    found = await stand.until_seen("plain", since, n, seconds=30)
    return {about: at - committed[about] for at, about, _ in found if about in committed}


async def approvals(stand: Stand, known: Floors, seconds: float) -> list[Figure]:
    """Approval committed → webhook received, and released event committed → webhook received, at ten a second."""
    await stand.families(rate=PACE, seconds=2)
    await stand.quiet()
    since = len(await stand.seen("hook"))
    wall = datetime.now(UTC).timestamp() - clock.seconds()  # noqa: TID251 - the two clocks of this machine, laid side by side
    told = await stand.families(rate=PACE, seconds=seconds)
    hooks = {about: at for at, about, _ in await stand.until_seen("hook", since, len(told["approved"]), seconds=20)}
    latency = Latency([hooks[one] - at for one, at in told["approved"].items() if one in hooks])
    rows = stand.world.documents["records"]["outbox"].find(
        {"type": "records.transcript.released.v1", "correlation": {"$in": list(hooks)}}, {"at": 1, "correlation": 1}
    )
    released = Latency([
        hooks[row["correlation"]] - (row["at"].replace(tzinfo=UTC).timestamp() - wall) async for row in rows
    ])  # fmt: skip
    what = "approval committed → webhook received, at 10/s"
    lost = f"{len(told['approved']) - len(latency.seconds)} of {len(told['approved'])} missing; "
    return [
        Figure(
            what=f"{what}, p50", unit="ms", value=latency.p50, goal=1.3, way="at most",
            floor=known.bare_latency.p50, floor_is="bare mechanism",
            note=lost + "from the answer to the signing call",
        ),
        Figure(
            what=f"{what}, p99", unit="ms", value=latency.p99, goal=1.5, way="at most",
            floor=known.bare_latency.p99, floor_is="bare mechanism",
        ),
        Figure(
            what=f"{what}, p50", unit="ms", value=latency.p50, goal=2, way="at most",
            floor=known.floor_latency.p50, floor_is="batch/txn, 2 hops",
        ),
        Figure(
            what="released event committed → webhook received, at 10/s, p50", unit="ms", value=released.p50, goal=10,
            way="at most", note="from the moment records decided, before its commit",
        ),
    ]  # fmt: skip


async def person_by_person(stand: Stand, known: Floors, seconds: float, at_once: int) -> list[Figure]:
    """Full releases: open, sign, release, webhook, fetch, acknowledge, mails; as fast as the house takes them."""
    await stand.quiet()
    await stand.mood("well")
    documents = stand.world.documents
    since, mails = len(await stand.seen("acknowledged")), await _mails(stand)
    meter, began = stand.meter(), clock.seconds()
    told = await stand.families(seconds=seconds, at_once=at_once)
    n = len(told["approved"])
    approved = clock.seconds() - began
    found = await stand.until_seen("acknowledged", since, len(told["approved"]))
    await stand.quiet()
    took = clock.seconds() - began
    await stand.mood("idle")
    cpu = {name: round(used * 1000 / max(1, n), 1) for name, used in meter.seconds().items()}
    odd = await stand.seen("odd")
    sent = await _mails(stand) - mails
    waiting = await documents["notify"]["messages"].count_documents({"status": "waiting"})
    if odd:
        stand.say(f"odd: {odd[-1][1]}")
    return [
        Figure(
            what="person by person: full releases, until the last mail", unit="/s", value=len(found) / took, goal=2,
            floor=known.single, floor_is="single/insert, 5 hops",
            note=f"{len(found)} of {n} in {took:.1f} s ({approved:.1f} s to approve all), {sent} mails, {waiting} "
            f"waiting, {len(told['failures'])} refused; CPU ms each: {_spelled(cpu)}",
        )
    ]  # fmt: skip


async def at_a_rate(stand: Stand, rate: float, seconds: float) -> list[Figure]:
    """Full releases at a steady rate (open loop): what of them was done when it ended."""
    await stand.quiet()
    await stand.mood("well")
    since = len(await stand.seen("acknowledged"))
    told = await stand.families(rate=rate, seconds=seconds)
    done = len(await stand.seen("acknowledged", since))
    await stand.until_seen("acknowledged", since, len(told["approved"]))
    await stand.quiet()
    await stand.mood("idle")
    return [
        Figure(
            what=f"full releases at {rate:.0f}/s for {seconds:.0f} s, done when the last was signed", unit="/s",
            value=done / seconds, goal=0.97 * rate, note=f"{len(told['failures'])} refused",
        )
    ]  # fmt: skip


async def cohort(stand: Stand, known: Floors, n: int) -> list[Figure]:
    """Prepared packages that families have signed for, approved by the registrar in a few calls → webhooks taken."""
    signed = str(stand.folder / "signed.json")
    await stand.ask_the_school(approves=True)
    try:
        refused = (await stand.families(cohort=n, at_once=64, signed=signed))["failures"]
    finally:
        await stand.ask_the_school(approves=False)
    await stand.quiet()  # the mails about asking and signing too: what is measured is the approvals' own
    since, meter = len(await stand.seen("hook")), stand.meter()
    told = await stand.families(approve=signed)
    refused += told["failures"]
    found = await stand.until_seen("hook", since, len(told["approved"]))
    took = max(at for at, _, _ in found) - told["approving_from"]
    answered = max(told["approved"].values()) - told["approving_from"]
    cpu = {name: round(used * 1000 / n, 2) for name, used in meter.seconds().items()}
    return [
        Figure(
            what=f"a cohort of {n}: approvals → webhooks acknowledged", unit="/s", value=len(found) / took, goal=0.5,
            floor=known.batch, floor_is="batch/txn, 5 hops",
            note=f"the registrar approves in calls of 1 000, answered after {answered:.1f} s; {len(found)} webhooks in "
            f"{took:.1f} s, {len(refused)} refused; CPU ms each until then: {_spelled(cpu)}",
        ),
        Figure(what="records: CPU of one release, approval heard", unit="ms", value=cpu["records"]),
    ]  # fmt: skip


async def api_latency(stand: Stand, seconds: float) -> list[Figure]:
    """What people look at, at fifty requests a second, while ten releases a second go on."""
    config: Json = json.loads((stand.folder / "families.json").read_text())
    family = config["students"][0]
    token = {"authorization": f"Bearer {family['signer_token']}", "accept": "application/json"}
    ports = {name: seat.port for name, seat in stand.house.seats.items()}
    paths = (("consent", "/requests"), ("consent", "/transcripts"), ("records", "/transcripts"), ("consent", "/notice"))
    took: list[float] = []
    wrong: list[int] = []

    async def look(number: int) -> None:
        service, path = paths[number % len(paths)]
        since = clock.seconds()
        async with stand.world.web.get(f"http://127.0.0.1:{ports[service]}/{service}{path}", headers=token) as answer:
            await answer.read()
            took.append(clock.seconds() - since)
            if answer.status >= 500:
                wrong.append(answer.status)

    beside = asyncio.create_task(stand.families(rate=PACE, seconds=seconds))
    await paced(50, [lambda number=number: look(number) for number in range(int(50 * seconds))])  # type: ignore[misc]
    await beside
    return [
        Figure(
            what="API p99 at 50 requests/s", unit="ms", value=Latency(took).p99, goal=200, way="at most",
            note=f"p50 {Latency(took).p50:.1f} ms; {len(wrong)} of {len(took)} failed; ten releases a second beside it",
        )
    ]  # fmt: skip


async def idle(stand: Stand, seconds: float) -> list[Figure]:
    """The whole house with nobody at the door."""
    await stand.quiet()
    meter = stand.meter()
    await asyncio.sleep(seconds)
    share = meter.share() * 100
    each = {name: round(used / seconds * 100, 1) for name, used in meter.seconds().items()}
    return [
        Figure(
            what="idle CPU of the whole house", unit="% of a core", value=share, goal=10, way="at most",
            note=_spelled(each),
        )
    ]  # fmt: skip


async def restarts(stand: Stand, services: Sequence[str]) -> list[Figure]:
    """Each service ended and begun again under load: seconds until a webhook of a later approval arrives."""
    figures: list[Figure] = []
    for name in services:
        since = len(await stand.seen("hook"))
        playing = asyncio.create_task(stand.families(rate=PACE, seconds=8))
        await asyncio.sleep(2.5)
        began = clock.seconds()
        await stand.house.stop_service(name)
        await stand.house.start_service(name)
        ready = clock.seconds()
        told = await playing
        found = await stand.until_seen("hook", since, len(told["approved"]), seconds=20)
        again = [at for at, _, _ in found if at > ready]
        value = min(again) - began if again else float("nan")
        figures.append(
            Figure(
                what=f"restart of {name} under load", unit="s", value=value, goal=10, way="at most",
                note=f"ready after {ready - began:.1f} s; {len(told['approved']) - len(found)} webhooks missing, "
                f"{len(told['failures'])} calls refused meanwhile",
            )
        )  # fmt: skip
    return figures


async def _mails(stand: Stand) -> int:
    return int(await stand.world.documents["notify"]["messages"].count_documents({"status": "sent"}))


def _spelled(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in values.items())


def repeats(found: Sequence[Seen]) -> int:
    """Webhooks that came once more under an id that had come to the same endpoint."""
    return len(found) - len({name for _, _, name in found})
