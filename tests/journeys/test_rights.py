"""Who may do what: every operation by every role, and every object by every stranger. Denied is what nobody has allowed."""

import asyncio
import json
import re
from dataclasses import dataclass

import pytest
import pytest_asyncio

from contracts.types import PersonKind
from services.chassis import ids
from tests.journeys.matrix import IDS, Known, Operation, operations
from tests.support.house import ALDER, BIRCH, Caller, Json, World
from tests.support.receiver import Receiver

pytestmark = pytest.mark.connected
AT_ONCE = 8


@dataclass
class Cast:
    """Somebody in each role, and somebody's objects."""

    roles: dict[str, Caller]
    strangers: dict[str, Caller]
    theirs: Known
    """Objects that exist, none of them a stranger's."""
    missing: Known
    """Ids of the same kinds that nobody has."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cast(world: World, college: Receiver, scholarship: Receiver) -> Cast:
    family = await world.family()
    end = await world.release(family, college)
    delivery = await college.delivery_of(end["request_id"])
    assert delivery is not None
    registrar = await world.registrar(ALDER)
    imports = await registrar.get(f"/identity/schools/{world.schools['al']}/imports")
    message = await world.documents["notify"]["messages"].find_one({"person_id": family.signer.person_id})
    assert message is not None
    theirs = {
        "organization_id": college.organization_id,
        "recipient_id": college.organization_id,
        "client_id": str(college.config["client_id"]),
        "school_id": world.schools["al"],
        "import_id": str(imports[0]["import_id"]),
        "person_id": family.signer.person_id,
        "student_id": family.student.person_id,
        "request_id": str(end["request_id"]),
        "transcript_id": str(end["transcript_id"]),
        "package_id": str(end["package_id"]),
        "delivery_id": str(delivery["delivery_id"]),
        "message_id": str(message["_id"]),
        "evidence_id": f"{family.resident.sourced_id}-S1-1",
    }
    missing = {name: ids.new(value.split("_")[0]) for name, value in theirs.items()}
    fixed = {"name": "main"}
    other = await world.family(BIRCH)
    strangers: dict[str, Caller] = {
        "another recipient": await scholarship.program(),
        "another recipient's reader": await world.company.reader(
            (scholarship.organization_id, "Lantern Scholars Fund"), "Wren Adair", "wren.adair@lantern.example.org"
        ),
        "another school's registrar": await world.registrar(BIRCH, 3),
        "another school's administrator": await world.person("bi-ad-05"),
        "another family's guardian": other.signer,
        "another family's student": other.student,
    }
    roles: dict[str, Caller] = {
        "student": family.student,
        "guardian": family.signer,
        "registrar": await world.registrar(ALDER, 4),
        "administrator": await world.person("al-ad-05"),
        "educator": await world.person("al-ed-06"),
        "reader": await college.program(),
        "operator": world.operator,
    }
    return Cast(roles, strangers, theirs | fixed, missing | {"evidence_id": "nothing-S1-1"} | fixed)


def test_every_operation_names_only_objects_that_the_matrix_knows() -> None:
    for operation in operations():
        named = {name for name, _ in operation.parameters}
        unknown = {name for name in named if name.endswith("_id")} - IDS
        assert not unknown, f"{operation} names {unknown}: tell tests/journeys/matrix.py what it is"
        if operation.takes_json:
            operation.body(dict.fromkeys(IDS, "x"))


async def test_p28_nobody_does_anything_that_no_right_allows(world: World, cast: Cast) -> None:
    """The whole table of roles and operations: what is not in an operation's right is refused, before anything is read."""
    assert set(cast.roles) == {str(kind) for kind in PersonKind}, "every kind of person is asked"
    guest = Caller(world.web, world.house.public_url, "nobody")
    denied = []
    for operation in operations():
        if operation.right == "anyone":
            continue
        denied.append((operation, "nobody", guest, 401))
        if operation.right != "signed in":
            denied += [(operation, role, who, 403) for role, who in cast.roles.items() if role not in operation.roles]
    assert len(denied) > 200
    answers = await calls([(who, operation, cast.missing) for operation, _, who, _ in denied])
    wrong = [
        f"{operation} by {role}: {answer.status} instead of {status}"
        for (operation, role, _, status), answer in zip(denied, answers, strict=True)
        if answer.status != status
    ]
    assert wrong == []


async def test_p28_what_is_open_to_all_is_listed_here() -> None:
    opened = {str(one) for one in operations() if one.right == "anyone"}
    assert opened == {"POST /identity/token", "GET /records/keys", "GET /consent/keys"}, "a token, and public keys"


async def test_p9_a_strangers_object_and_a_missing_one_get_the_same_answer_everywhere(cast: Cast) -> None:
    asked = [
        (name, stranger, operation)
        for operation in operations()
        if operation.ids
        for name, stranger in cast.strangers.items()
    ]
    assert len(asked) > 200
    existing = await calls([(stranger, operation, cast.theirs) for _, stranger, operation in asked])
    none = await calls([(stranger, operation, cast.missing) for _, stranger, operation in asked])
    told = [
        f"{operation} by {name}: {there} / {nothing}"
        for (name, _, operation), there, nothing in zip(asked, existing, none, strict=True)
        if there != nothing
    ]
    assert told == []
    leaked = [
        f"{operation} by {name} answered {there.status}"
        for (name, _, operation), there in zip(asked, existing, strict=True)
        if there.status < 400
    ]
    assert leaked == []


async def test_those_whose_objects_they_are_do_see_them(cast: Cast) -> None:
    """The control of the matrix above: the very same calls, by somebody who may."""
    asked = [
        (operation, role, who)
        for operation in operations()
        if operation.ids
        and operation.method == "GET"
        and operation.path != "/delivery/deliveries/{delivery_id}/content/{name}"
        for role, who in cast.roles.items()
    ]
    answers = await calls([(who, operation, cast.theirs) for operation, _, who in asked])
    seen = {str(operation) for (operation, _, _), answer in zip(asked, answers, strict=True) if answer.status == 200}
    assert seen == {str(operation) for operation, _, _ in asked}


async def test_p9_lists_and_counts_hold_only_what_was_sent_to_the_caller(
    world: World, cast: Cast, scholarship: Receiver
) -> None:
    program = await scholarship.program()
    rows = [row async for row in world.documents["delivery"]["deliveries"].find({}, {"recipient_id": 1})]
    own = {row["_id"] for row in rows if row["recipient_id"] == scholarship.organization_id}
    seen: set[str] = set()
    for page in range(5):
        seen |= {one["delivery_id"] for one in await program.get(f"/delivery/deliveries?page={page}")}
    assert seen == own
    assert cast.theirs["delivery_id"] not in seen
    other = await world.registrar(BIRCH, 3)
    for path in ("/consent/requests", "/consent/transcripts", "/records/transcripts", "/notify/messages/mine"):
        assert cast.theirs["request_id"] not in json.dumps(await other.get(path))


@dataclass(frozen=True)
class Answer:
    """What a stranger can tell apart: the status, the words, and which headers there are."""

    status: int
    text: str
    headers: tuple[str, ...]


async def calls(asked: list[tuple[Caller, Operation, Known]]) -> list[Answer]:
    """Each as it would be sent, a few at once."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(who: Caller, operation: Operation, known: Known) -> Answer:
        headers = {"accept": "application/json"} | ({"authorization": f"Bearer {who.token}"} if who.token else {})
        data = b"x" if not operation.takes_json and operation.method in {"PUT", "POST"} else None
        body: Json = operation.body(known)
        async with (
            gate,
            who.web.request(
                operation.method, who.origin + operation.address(known), json=body, data=data, headers=headers
            ) as answer,
        ):
            text = await answer.text(errors="replace")
            return Answer(
                answer.status, _without_ids(text, known), tuple(sorted(name.lower() for name in answer.headers))
            )

    return list(await asyncio.gather(*(one(who, operation, known) for who, operation, known in asked)))


def _without_ids(text: str, known: Known) -> str:
    for name, value in known.items():
        text = text.replace(value, name)
    return re.sub(r"http_[0-9a-z]{26}", "…", text)
