"""The scenes: one request each, from somebody's wish to its end, with the outcome that it must have."""

import asyncio
import copy
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import aiohttp

from deploy.demo import acts
from deploy.demo.acts import PATIENCE
from deploy.demo.cast import Caller, Household, Json, Person, Refused
from deploy.demo.setting import DATA, Setting, import_transcript
from services.chassis import clock

WESTMARCH, LANTERN, ORRERY = "westmarch-college", "lantern-scholars-fund", "orrery-instruments"
QUICKDEGREE = "quickdegree-online"
NAMES = {one["id"]: one["name"] for one in json.loads((DATA / "recipients.json").read_text())}
PURPOSE = {WESTMARCH: "admission", LANTERN: "scholarship", ORRERY: "employment", QUICKDEGREE: "admission"}


@dataclass
class Outcome:
    """What became of one scene, beside what had to."""

    title: str
    who: str
    to: str
    expected: str
    got: str
    request_id: str = ""
    delivery_id: str = ""

    @property
    def good(self) -> bool:
        return self.got == self.expected


@dataclass
class Stage:
    """The setting, the recipients' programs, and the play's record."""

    setting: Setting
    web: aiohttp.ClientSession
    folder: Path
    ports: dict[str, int]
    say: Callable[[str], None]
    outcomes: list[Outcome] = field(default_factory=list)

    async def ask(
        self,
        family: Household,
        student: str,
        recipient: str,
        *,
        parts: Sequence[str] = (),
        seconds: float | None = None,
        by: Person | None = None,
    ) -> Json:
        """Open a request as the student (or `by`)."""
        body: dict[str, Json] = {
            "transcript_id": self.setting.transcripts[student]["transcript_id"],
            "recipient_id": self.setting.recipients[recipient],
            "purpose": PURPOSE[recipient],
            "parts": list(parts),
        }
        if seconds is not None:
            body["sign_by"] = (clock.now() + timedelta(seconds=seconds)).isoformat()
        return await (by or family.student).post("/consent/requests", body)

    async def sign(self, signer: Person, request_id: str) -> Json:
        return await acts.sign(signer, request_id)

    async def approve_for_school(self, registrar: Person, request_id: str) -> Json:
        return await acts.approve_for_school(registrar, request_id)

    async def take_back(self, who: Person, request_id: str) -> Json:
        return await acts.take_back(who, request_id)

    async def until(self, who: Caller, request_id: str, true: Callable[[Json], bool]) -> Json:
        return await acts.until(who, request_id, true)

    async def until_stage(self, who: Caller, request_id: str, stage: str) -> Json:
        return await self.until(who, request_id, lambda one: one["stage"] == stage)

    async def mood(self, recipient: str, mood: str) -> None:
        """Tell a recipient's program how to behave."""
        async with self.web.post(f"http://127.0.0.1:{self.ports[recipient]}/moods/{mood}"):
            pass

    def seen(self, recipient: str) -> list[Json]:
        """What a recipient's program has written down."""
        path = self.folder / f"{recipient}.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    async def program(self, recipient: str) -> Caller:
        """A recipient's program with its own credentials, to ask as it would."""
        program = self.setting.company.program(recipient)
        known = self.setting.programs[recipient]
        await program.come_in(known["client_id"], known["client_secret"])
        return program

    async def delivery_of(self, recipient: str, request_id: str) -> Json | None:
        program = await self.program(recipient)
        found = await program.get("/delivery/deliveries")
        return next((one for one in found if one["request_id"] == request_id), None)

    def note(self, title: str, family: Household, to: str, *, expected: str, request: Json) -> None:
        """One line of the table at the end."""
        got = request["status"] + (f", {request['stage']}" if request["stage"] != "not-released" else "")
        self.outcomes.append(Outcome(title, family.student.name, to, expected, got, request["request_id"]))


Scene = Callable[[Stage], Awaitable[None]]


async def whole(stage: Stage) -> None:
    """A guardian approves the whole transcript to a college."""
    family = await stage.setting.household("hp-st-002")
    request = await stage.ask(family, "hp-st-002", WESTMARCH)
    before = await stage.delivery_of(WESTMARCH, request["request_id"])
    stage.say(f"{family.student.name} asks; nobody has approved, and Westmarch sees {before or 'nothing'}")
    await stage.sign(family.signer, request["request_id"])
    stage.say(f"{family.signer.name} reads the very document, and approves it with a code")
    end = await stage.until_stage(family.student, request["request_id"], "acknowledged")
    stage.note("whole transcript, guardian approves", family, WESTMARCH, expected="approved, acknowledged", request=end)


async def partly(stage: Stage) -> None:
    """Part of a transcript to a scholarship: the package says that it is partial."""
    family = await stage.setting.household("hp-st-061")
    outline = await _outline(stage, family, "hp-st-061")
    parts = [*[one["part_id"] for one in outline if one["kind"] == "credit"][:3], "courses"]
    request = await stage.ask(family, "hp-st-061", LANTERN, parts=parts)
    await stage.sign(family.signer, request["request_id"])
    end = await stage.until_stage(family.student, request["request_id"], "acknowledged")
    received = [one for one in stage.seen(LANTERN) if one["what"] == "received"]
    stage.say(
        f"Lantern received {len(parts)} of {len(outline)} parts; its credential says partial: {received[-1]['partial']}"
    )
    stage.note("three credits and the courses only", family, LANTERN, expected="approved, acknowledged", request=end)


async def of_age(stage: Stage) -> None:
    """A student of age signs alone; a parent can't."""
    family = await stage.setting.household("hp-st-105")
    request = await stage.ask(family, "hp-st-105", WESTMARCH)
    signed = await stage.sign(family.signer, request["request_id"])
    stage.say(f"{family.student.name} is of age and signs alone: {signed['basis']['section']}")
    end = await stage.until_stage(family.student, request["request_id"], "acknowledged")
    stage.note("student of age signs", family, WESTMARCH, expected="approved, acknowledged", request=end)


async def school_too(stage: Stage) -> None:
    """At a school that approves each release itself, the registrar comes after the family."""
    family = await stage.setting.household("mv-st-012")
    request = await stage.ask(family, "mv-st-012", ORRERY)
    signed = await stage.sign(family.signer, request["request_id"])
    stage.say(f"signed by the family: {signed['status']}; now Mesa Verde's registrar approves")
    registrar = await _other_registrar(stage, "mv-rg-02")
    await stage.approve_for_school(registrar, request["request_id"])
    end = await stage.until_stage(family.student, request["request_id"], "acknowledged")
    stage.note("employer; the school approves too", family, ORRERY, expected="approved, acknowledged", request=end)


async def refused(stage: Stage) -> None:
    """A guardian says no."""
    family = await stage.setting.household("hp-st-004")
    request = await stage.ask(family, "hp-st-004", WESTMARCH)
    end = await family.signer.post(f"/consent/requests/{request['request_id']}/refusal")
    stage.note("guardian refuses", family, WESTMARCH, expected="refused", request=end)


async def expired(stage: Stage) -> None:
    """Nobody signs before the deadline."""
    family = await stage.setting.household("hp-st-021")
    request = await stage.ask(family, "hp-st-021", WESTMARCH, seconds=3)
    end = await stage.until(family.student, request["request_id"], lambda one: one["status"] == "expired")
    stage.note("nobody signs in time", family, WESTMARCH, expected="expired", request=end)


async def taken_back_before(stage: Stage) -> None:
    """Taken back before anybody approved."""
    family = await stage.setting.household("hp-st-029")
    request = await stage.ask(family, "hp-st-029", WESTMARCH)
    end = await stage.take_back(family.signer, request["request_id"])
    stage.note("taken back before approval", family, WESTMARCH, expected="revoked", request=end)


async def taken_back_after_release(stage: Stage) -> None:
    """Taken back when the recipient was told, but had not opened it: it never will."""
    family = await stage.setting.household("hp-st-064")
    await stage.mood(LANTERN, "idle")
    request = await stage.ask(family, "hp-st-064", LANTERN)
    await stage.sign(family.signer, request["request_id"])
    await stage.until_stage(family.student, request["request_id"], "available")
    await stage.take_back(family.signer, request["request_id"])
    await _until(lambda: _is_cancelled(stage, LANTERN, request["request_id"]))
    stage.say(
        f"Lantern was told, then it was taken back. Lantern tries to open it: {await _try_to_open(stage, request)}"
    )
    await stage.mood(LANTERN, "well")
    end = await family.student.get(f"/consent/requests/{request['request_id']}")
    stage.note("taken back before it was opened", family, LANTERN, expected="revoked, cancelled", request=end)


async def taken_back_after_opening(stage: Stage) -> None:
    """Taken back after the recipient opened it: nothing more is disclosed, and the ledger keeps what was."""
    family = await stage.setting.household("hp-st-092")
    request = await stage.ask(family, "hp-st-092", WESTMARCH)
    await stage.sign(family.signer, request["request_id"])
    await stage.until_stage(family.student, request["request_id"], "acknowledged")
    end = await stage.take_back(family.signer, request["request_id"])
    await _until(lambda: _is_cancelled(stage, WESTMARCH, request["request_id"]))
    stage.note("taken back after it was opened", family, WESTMARCH, expected="revoked, cancelled", request=end)


async def unanswered(stage: Stage) -> None:
    """Nobody approves: nothing moves, however long one waits."""
    family = await stage.setting.household("hp-st-108")
    request = await stage.ask(family, "hp-st-108", WESTMARCH)
    stage.note("nobody answers", family, WESTMARCH, expected="open", request=request)


async def held(stage: Stage) -> None:
    """The school holds releases back, with a reason; when it lifts the hold, what waited goes."""
    family = await stage.setting.household("hp-st-117")
    transcript = stage.setting.transcripts["hp-st-117"]["transcript_id"]
    registrar = stage.setting.registrars["org-harbor-point"]
    until = (clock.now() + timedelta(days=30)).isoformat()
    await registrar.put(f"/records/transcripts/{transcript}/hold", {"reason": "enrollment", "until": until})
    request = await stage.ask(family, "hp-st-117", WESTMARCH)
    await stage.sign(family.signer, request["request_id"])
    waiting = await stage.until_stage(family.student, request["request_id"], "on-hold")
    stage.say(f"approved, and the school holds it: {waiting['stage']}; then the registrar lifts the hold")
    await registrar.call("DELETE", f"/records/transcripts/{transcript}/hold")
    end = await stage.until_stage(family.student, request["request_id"], "acknowledged")
    stage.note("held by the school, then lifted", family, WESTMARCH, expected="approved, acknowledged", request=end)


async def overtaken(stage: Stage) -> None:
    """A new version is sealed while a request is open: nobody can sign the old one any more."""
    family = await stage.setting.household("hp-st-039")
    request = await stage.ask(family, "hp-st-039", WESTMARCH)
    file = copy.deepcopy(json.loads((DATA / "transcripts" / "hp-st-039.json").read_text()))
    file["content"]["courses"] = file["content"]["courses"][:-1]
    await import_transcript(stage.setting, file)
    draft = stage.setting.transcripts["hp-st-039"]
    registrar = stage.setting.registrars["org-harbor-point"]
    step_up = await registrar.step_up("records.seal", draft["transcript_id"], draft["draft_digest"])
    sealed = await registrar.post(
        f"/records/transcripts/{draft['transcript_id']}/seal", {"digest": draft["draft_digest"]}, step_up=step_up
    )
    stage.say(f"the registrar seals version {sealed['transcript_version']} while a request for version 1 is open")
    end = await stage.until(family.student, request["request_id"], lambda one: one["status"] == "invalidated")
    stage.note("overtaken by a new version", family, WESTMARCH, expected="invalidated", request=end)


async def recipient_away(stage: Stage) -> None:
    """The recipient's program is too busy at first: it is told again, under the same id, with the same bytes."""
    family = await stage.setting.household("hp-st-008")
    await stage.mood(LANTERN, "busy")
    request = await stage.ask(family, "hp-st-008", LANTERN)
    await stage.sign(family.signer, request["request_id"])
    await _until(lambda: _busy(stage, LANTERN))
    await stage.mood(LANTERN, "well")
    end = await stage.until_stage(family.student, request["request_id"], "acknowledged")
    told = [one for one in stage.seen(LANTERN) if one["what"] == "webhook" and one["mood"] == "busy"]
    again = [one for one in stage.seen(LANTERN) if one["what"] == "webhook" and one["id"] == told[-1]["id"]]
    same = len({one["bytes"] for one in again}) == 1
    stage.say(f"Lantern was busy, and was told {len(again)} times under one id; the same bytes: {same}")
    stage.note("recipient busy at first", family, LANTERN, expected="approved, acknowledged", request=end)


async def not_verified(stage: Stage) -> None:
    """Nothing can even be asked for a recipient that is not verified."""
    family = await stage.setting.household("hp-st-049")
    await _no(stage, family, "hp-st-049", QUICKDEGREE, title="recipient is not verified", status="409")


async def forbidden_kind(stage: Stage) -> None:
    """Harbor Point allows no employers: the request can't be opened (promise 17)."""
    family = await stage.setting.household("hp-st-056")
    await _no(stage, family, "hp-st-056", ORRERY, title="school allows no employers", status="403")


SCENES: tuple[Scene, ...] = (
    whole, partly, of_age, school_too, refused, expired, taken_back_before, taken_back_after_release,
    taken_back_after_opening, unanswered, held, overtaken, recipient_away, not_verified, forbidden_kind,
)  # fmt: skip


async def _no(stage: Stage, family: Household, student: str, to: str, *, title: str, status: str) -> None:
    try:
        await stage.ask(family, student, to)
        got = "opened"
    except Refused as no:
        got = str(no.status)
        stage.say(f"{title}: {no.detail}")
    stage.outcomes.append(Outcome(title, family.student.name, to, status, got))


async def _outline(stage: Stage, family: Household, student: str) -> list[Json]:
    wanted = stage.setting.transcripts[student]["transcript_id"]
    found = await family.student.get("/consent/transcripts")
    return next(one["outline"] for one in found if one["transcript_id"] == wanted)


async def _other_registrar(stage: Stage, sourced_id: str) -> Person:
    known = await stage.setting.company.operator.get(f"/identity/people/{stage.setting.person_id(sourced_id)}")
    return await stage.setting.company.person(known["person_id"], known["name"])


async def _is_cancelled(stage: Stage, recipient: str, request_id: str) -> bool:
    delivery = await stage.delivery_of(recipient, request_id)
    return delivery is not None and delivery["status"] == "cancelled"


async def _busy(stage: Stage, recipient: str) -> bool:
    return any(one["what"] == "webhook" and one["mood"] == "busy" for one in stage.seen(recipient))


async def _try_to_open(stage: Stage, request: Json) -> str:
    delivery = await stage.delivery_of(LANTERN, request["request_id"])
    assert delivery is not None
    program = await stage.program(LANTERN)
    notice = {"redisclosure_notice": delivery["redisclosure_notice"]["version"]}
    try:
        await program.post(f"/delivery/deliveries/{delivery['delivery_id']}/open", notice)
    except Refused as no:
        return f"{no.status}, {no.detail}"
    return "it could"


async def _until(true: Callable[[], Awaitable[bool]]) -> None:
    deadline = clock.seconds() + PATIENCE
    while not await true() and clock.seconds() < deadline:
        await asyncio.sleep(0.05)
