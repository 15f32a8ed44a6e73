"""The house that everything is measured on: started, furnished with students and recipients, and taken down again."""

import asyncio
import json
import secrets
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from pymongo import AsyncMongoClient

from contracts.topics import SERVICES
from deploy.demo.cast import Company, Json
from deploy.local.authorize import authorize_kafka
from deploy.local.house import House
from deploy.local.kafka import client_settings
from deploy.local.principals import Acl, Role, kafka_acls
from deploy.local.process import Child, free_port, is_listening
from deploy.mongodb.applying import authorize_mongo
from services.chassis import clock
from tests.bench.machine import Meter
from tests.bench.passes import Passes
from tests.bench.reach import BARE_SERVICES, DATABASES, GROUPS, TOPICS, USER, Reach
from tests.support.house import POLICIES, World, _school, _seal_all, until
from tests.support.town import ALDER, archive, town

ROOT = Path(__file__).parents[2]
COLLEGES = 20
"""Recipients with one endpoint each."""
CHORUSES, VOICES = 20, 5
"""Recipients with five endpoints each: the hundred endpoints of the fan-out."""
PATIENCE = 90.0
Seen = tuple[float, str, str]


_RIGHTS = (
    "find", "insert", "update", "remove", "createCollection", "createIndex", "dropCollection", "changeStream",
    "listCollections", "listIndexes",
)  # fmt: skip


@dataclass
class Stand:
    """One house, who lives in it, and the bench's own processes."""

    house: House
    folder: Path
    world: World
    reach: Reach
    passes: Passes
    port: int
    children: dict[str, Child] = field(default_factory=dict)
    colleges: list[str] = field(default_factory=list)
    choruses: list[str] = field(default_factory=list)
    say: Callable[[str], None] = print

    @property
    def receiver(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def meter(self, *names: str) -> Meter:
        """CPU of some services, or of everything that the house runs."""
        pids = {name: self.house.service_process(name).pid for name in names or SERVICES}
        if not names:
            pids |= {"kafka": self.house.own_kafka.pid, "mongod": self.house.own_mongo.pid}
            for name in ("front", "smtp"):
                pids[name] = int((self.house.folder / "run" / f"{name}.pid").read_text().split()[0])
        return Meter({name: pid for name, pid in pids.items() if pid is not None})

    async def spawn(self, name: str, module: str, *words: str) -> Child:
        """A process of the bench that stays until it is told to end."""
        child = self.children[name] = Child(
            f"bench-{name}", folder=self.folder / "run", log=self.folder / f"{name}.log"
        )
        await child.start([sys.executable, "-m", f"tests.bench.{module}", *words], cwd=ROOT)
        return child

    async def ask(self, module: str, *words: str, seconds: float = 240) -> list[Json]:
        """Run a process of the bench to its end; the lines of JSON that it prints. Raises RuntimeError with its last words."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", f"tests.bench.{module}", *words,
            cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, limit=2**26,
        )  # fmt: skip
        try:
            out, err = await asyncio.wait_for(process.communicate(), seconds)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise RuntimeError(f"{module} did not end within {seconds:.0f} s") from None
        if process.returncode:
            raise RuntimeError(f"{module} failed: {err.decode()[-600:]}")
        return [json.loads(line) for line in out.decode().splitlines() if line.startswith("{")]

    async def floor(self, **options: Any) -> Json:
        """One run of the bare pipeline."""
        [told] = await self.ask("floor", str(self.folder / "reach.json"), json.dumps(options))
        return told

    async def ask_the_school(self, *, approves: bool) -> None:
        """Set whether the school approves after its families, and wait until consent has heard it."""
        school_id = self.world.schools[ALDER.key]
        policy = {**POLICIES[ALDER.key], "school_approves": approves}
        await _school(self.world, ALDER, ALDER.zone, school_id, policy)

        async def heard() -> bool:
            known = await self.world.documents["consent"]["organizations"].find_one({"_id": school_id})
            return known is not None and known["policy"]["school_approves"] is approves

        await until(heard, "consent to hear of the school's policy")

    async def families(self, **options: Any) -> Json:
        """The families play; what each process line told, merged."""
        told: Json = {}
        for line in await self.ask("families", str(self.folder / "families.json"), json.dumps(options)):
            told |= line
        return told

    async def mood(self, mood: str) -> None:
        """`idle`: recipients only take webhooks; `well`: they act upon them."""
        async with self.world.web.post(f"{self.receiver}/mood/{mood}"):
            pass

    async def seen(self, kind: str, since: int = 0) -> list[Seen]:
        """What recipients noted."""
        async with self.world.web.get(f"{self.receiver}/seen/{kind}/{since}") as answer:
            return [(at, about, name) for at, about, name in await answer.json(content_type=None)]

    async def until_seen(self, kind: str, since: int, wanted: int, *, seconds: float = PATIENCE) -> list[Seen]:
        """What was noted from `since` on, once there is `wanted` of it or no more comes within the time."""
        deadline = clock.seconds() + seconds
        while True:
            found = await self.seen(kind, since)
            if len(found) >= wanted or clock.seconds() > deadline:
                return found
            await asyncio.sleep(0.1)

    async def quiet(self, *, seconds: float = 60) -> None:
        """Until no service has an unsent row, a notice under way or a mail to send: what was measured before is over."""
        documents = self.world.documents

        async def rests() -> bool:
            waiting = [await documents[one]["outbox"].count_documents({"sent": False}) for one in SERVICES]
            notices = await documents["delivery"]["notices"].count_documents({"state": "waiting"})
            mails = await documents["notify"]["messages"].count_documents({"status": "waiting"})
            return sum(waiting) <= 4 and not notices and not mails  # four: watermarks on their way

        deadline = clock.seconds() + seconds
        while not await rests() and clock.seconds() < deadline:
            await asyncio.sleep(0.3)
        await asyncio.sleep(0.5)


@asynccontextmanager
async def standing(folder: Path, say: Callable[[str], None]) -> AsyncIterator[Stand]:
    """A fresh house in `folder`, furnished. All of it ends with the block."""
    await asyncio.to_thread(_clear, folder)
    # As on a cluster: one line for what is wrong, none for what went well; of ten traces one, as the chart has it.
    share = {"OTEL_TRACES_SAMPLER_ARG": "0.1"}
    house = House(folder / "house", log_level="WARNING", extra=dict.fromkeys(SERVICES, share))
    await house.start()
    stand: Stand | None = None
    try:
        reach = await grant(house)
        reach.write(folder / "reach.json")
        async with aiohttp.ClientSession() as web, AsyncMongoClient[dict[str, Any]](house.mongo.root_uri) as documents:
            say("importing a school of forty, sealing its transcripts")
            world = await _school_of(house, web, documents, folder)
            stand = Stand(house, folder, world, reach, Passes(house.folder / "keys"), free_port(), say=say)
            say(f"recruiting {COLLEGES + CHORUSES} recipients with {COLLEGES + CHORUSES * VOICES} endpoints")
            await _recruit(stand)
            await _write_families(stand)
            yield stand
    finally:
        if stand is not None:
            await asyncio.gather(*(child.stop() for child in stand.children.values()))
        await house.stop()


def _clear(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


async def _school_of(house: House, web: aiohttp.ClientSession, documents: Any, folder: Path) -> World:
    company = Company(web, house.public_url)
    await company.start(house.operator_token)
    world = World(house, web, town(clock.now().date()), company, folder, documents)
    world.schools[ALDER.key] = await _school(world, ALDER, ALDER.zone)
    path = f"/identity/schools/{world.schools[ALDER.key]}/rosters"
    raw = archive(world.town, ALDER)
    await world.operator.call("POST", path, data=raw, media_type="application/zip")
    await _seal_all(world, ALDER)
    return world


async def _recruit(stand: Stand) -> None:
    """Recipients with their endpoints, known to every service; then the process that listens for all of them."""
    operator = stand.world.operator
    config: list[dict[str, str]] = []
    delivery = f"http://127.0.0.1:{stand.house.seats['delivery'].port}"
    for number in range(COLLEGES + CHORUSES):
        made = await operator.post(
            "/identity/organizations", {"kind": "college", "name": f"College {number}", "standing": "verified"}
        )
        (stand.colleges if number < COLLEGES else stand.choruses).append(made["organization_id"])
    everybody = [*stand.colleges, *stand.choruses]

    async def known() -> bool:
        counts = [
            await stand.world.documents[one]["organizations"].count_documents({"_id": {"$in": everybody}})
            for one in ("consent", "delivery", "notify")
        ]
        return set(counts) == {len(everybody)}

    await until(known, "the services to hear of the recipients")
    for number, organization in enumerate(everybody):
        token = stand.passes.program(f"cli_bench{number}", organization)
        for voice in range(1 if number < COLLEGES else VOICES):
            url = f"{stand.receiver}/hook/{len(config)}"
            async with stand.world.web.put(
                f"{delivery}/delivery/endpoints/voice-{voice}",
                json={"url": url, "description": "bench"},
                headers={"authorization": f"Bearer {token}"},
            ) as answer:
                answer.raise_for_status()
                config.append({"secret": (await answer.json())["secret"], "token": token})
    written = {"port": stand.port, "delivery": delivery, "recipients": config}
    _write(stand.folder / "recipients.json", written)
    await stand.spawn("recipients", "recipients", str(stand.folder / "recipients.json"))
    deadline = clock.seconds() + 20
    while not is_listening(stand.port):
        assert clock.seconds() < deadline, stand.children["recipients"].tail()
        await asyncio.sleep(0.05)


async def _write_families(stand: Stand) -> None:
    """What the families' process has to know."""
    world, students = stand.world, []
    for resident in world.town.students(ALDER):
        transcript_id = world.transcripts[resident.sourced_id]["transcript_id"]
        known = await world.documents["consent"]["transcripts"].find_one({"_id": transcript_id})
        person = await world.documents["consent"]["students"].find_one({"_id": world.person_id(resident.sourced_id)})
        assert known is not None and person is not None
        young = str(person["_id"])
        signer = young if person["rights_holder"] == "student" else str(person["guardians"][0])
        students.append({
            "transcript_id": transcript_id,
            "package_digest": known["packages"][0]["digest"],
            "student_token": stand.passes.person(young),
            "signer": signer,
            "signer_token": stand.passes.person(signer),
        })  # fmt: skip
    consent = f"http://127.0.0.1:{stand.house.seats['consent'].port}"
    headers = {"authorization": f"Bearer {students[0]['student_token']}"}
    async with world.web.get(f"{consent}/consent/notice", headers=headers) as answer:
        notice = (await answer.json())["digest"]
    told: Json = {"consent": consent, "keys": str(stand.house.folder / "keys"), "notice": notice}
    registrar, school_id = world.person_id(f"{ALDER.key}-rg-01"), world.schools[ALDER.key]
    told |= {"school_id": school_id, "registrar": registrar}
    told |= {"registrar_token": stand.passes.registrar(registrar, school_id)}
    _write(stand.folder / "families.json", {**told, "students": students, "recipients": stand.colleges})


def _write(path: Path, told: Json) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(told))


def spread(values: Sequence[float]) -> float:
    """From the first to the last."""
    return max(values) - min(values) if values else float("nan")


async def grant(house: House) -> Reach:
    """Make the bench's principal with its topics. No super user: it may do on these topics what a service may on its own."""
    password = secrets.token_urlsafe(24)
    settings = client_settings(house.kafka.bootstrap, house.kafka.cafile, house.kafka.admin)
    acls = [Acl(USER, "topic", topic.name, what) for topic in TOPICS for what in ("READ", "WRITE", "DESCRIBE")]
    groups = (*GROUPS, *(f"placet-{name}" for name in BARE_SERVICES))
    acls += [Acl(USER, "group", name, "READ") for name in groups]
    await authorize_kafka(settings, users={USER: password}, acls=[*kafka_acls(), *acls], topics=TOPICS)
    role = Role(USER, {(database, ""): _RIGHTS for database in DATABASES})
    await authorize_mongo(house.mongo.root_uri, roles=[role], passwords={USER: password})
    uri = house.mongo.uri(USER, password)
    return Reach(house.kafka.bootstrap, str(house.kafka.cafile), password, uri)
