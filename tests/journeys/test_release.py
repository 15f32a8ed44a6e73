"""A transcript goes: the family approves exactly these bytes, and the recipient gets exactly these bytes."""

import hashlib
import io
import json
import zipfile

import pypdf
import pytest

from contracts import grant
from deploy.demo import acts
from services.chassis import clock
from services.chassis.keys.sealing import KeyFile
from tests.support.house import BIRCH, Family, Json, World, refused
from tests.support.receiver import Receiver
from tests.support.town import MARK, STATEMENT

pytestmark = pytest.mark.connected


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def member(package: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        return archive.read(name)


def text_of(pdf: bytes) -> str:
    return "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)


async def test_p14_a_guardian_approves_and_the_college_gets_and_confirms_those_very_bytes(
    world: World, college: Receiver
) -> None:
    family = await world.family()
    request = await world.ask(family, college)
    assert request["signers"] == [family.signer.person_id]
    assert await college.delivery_of(request["request_id"]) is None, "nothing is there before the approval"

    shown = await acts.until(family.signer, request["request_id"], lambda one: one["package_digest"] is not None)
    preview = await family.signer.get(f"/records/packages/{shown['package_id']}/content")
    assert digest_of(preview) == shown["package_digest"], "what is shown is what the digest says"

    signed = await acts.sign(family.signer, request["request_id"])
    assert signed["status"] == "approved"
    assert signed["basis"]["code"] == "guardian-consent"
    end = await world.until_stage(family, request["request_id"], "acknowledged")
    assert [one["what"] for one in end["story"]] == [
        "opened", "signed", "approved", "released", "available", "delivered", "acknowledged",
    ]  # fmt: skip

    delivery = await college.delivery_of(request["request_id"])
    assert delivery is not None and delivery["matches"] is True
    assert await college.received(delivery["delivery_id"]) == preview, (
        "the preview is what was delivered, byte for byte"
    )
    assert STATEMENT in member(preview, "credential.json").decode()
    assert MARK in text_of(member(preview, "transcript.pdf"))


async def test_p14_the_grant_that_delivery_cites_binds_the_bytes_the_recipient_and_the_ground(
    world: World, college: Receiver
) -> None:
    family = await world.family()
    end = await world.release(family, college)
    rows = await ledger_of(world, family)
    (row,) = [one for one in rows if one["request_id"] == end["request_id"]]
    keys = KeyFile(world.house.folder / "keys" / "delivery" / "consent.public.jwks.json").keys()
    granted = grant.verify(row["grant"], keys, audience="delivery", now=clock.now())
    assert granted.package_digest == end["package_digest"] == row["package_digest"]
    assert granted.recipient_id == college.organization_id == row["recipient_id"]
    assert granted.grantor.person_id == family.signer.person_id
    assert granted.basis.section == row["basis"]["section"] == "34 CFR 99.30"


async def test_part_of_a_transcript_says_that_it_is_partial(world: World, scholarship: Receiver) -> None:
    family = await world.family()
    end = await world.release(family, scholarship, purpose="scholarship", parts=["credit.S1", "courses"])
    assert end["partial"] is True
    delivery = await scholarship.delivery_of(end["request_id"])
    assert delivery is not None
    package = await scholarship.received(delivery["delivery_id"])
    assert json.loads(member(package, "credential.json"))["partial"] is True
    assert json.loads(member(package, "manifest.json"))["partial"] is True
    text = text_of(member(package, "transcript.pdf"))
    assert "partial" in text.lower()
    assert "Writes for strangers" not in text, "a credit that was not chosen is not there"
    assert STATEMENT not in text, "nor is the personal statement"


async def test_a_student_of_age_signs_alone_and_a_parent_cannot(world: World, college: Receiver) -> None:
    family = await world.family(adult=True)
    parent = await world.person(family.resident.agents[0])
    request = await world.ask(family, college)
    assert request["signers"] == [family.student.person_id]
    no = await refused(parent.get(f"/consent/requests/{request['request_id']}"))
    assert no.status == 404, "the parent's rights have passed (34 CFR 99.5)"
    signed = await acts.sign(family.student, request["request_id"])
    assert signed["basis"] == {
        "code": "student-consent",
        "section": "34 CFR 99.30, 99.5(a)",
        "words": signed["basis"]["words"],
    }
    await world.until_stage(family, request["request_id"], "acknowledged")


async def test_a_click_of_a_student_under_18_is_direction_and_no_approval(world: World, college: Receiver) -> None:
    family = await world.family()
    request = await world.ask(family, college)
    no = await refused(acts.sign(family.student, request["request_id"]))
    assert no.status == 404
    assert (await family.student.get(f"/consent/requests/{request['request_id']}"))["status"] == "open"


async def test_where_the_school_approves_too_the_registrar_comes_after_the_family(
    world: World, employer: Receiver
) -> None:
    family = await world.family(BIRCH)
    request = await world.ask(family, employer, purpose="employment")
    signed = await acts.sign(family.signer, request["request_id"])
    assert signed["status"] == "signed"
    assert await employer.delivery_of(request["request_id"]) is None
    approved = await acts.approve_for_school(await world.registrar(BIRCH, 2), request["request_id"])
    assert approved["status"] == "approved"
    await world.until_stage(family, request["request_id"], "acknowledged")


async def test_a_registrar_approves_many_in_one_act_and_each_of_them_reaches_its_recipient(
    world: World, college: Receiver, scholarship: Receiver
) -> None:
    family, registrar = await world.family(BIRCH), await world.registrar(BIRCH)
    first, second = await world.ask(family, college), await world.ask(family, scholarship, purpose="scholarship")
    for one in (first, second):
        assert (await acts.sign(family.signer, one["request_id"]))["status"] == "signed"
    path = f"/consent/schools/{first['school_id']}/approvals"
    waiting = (await registrar.get(path))["requests"]
    shown = {one["request_id"]: one["package_digest"] for one in waiting}
    assert {first["request_id"], second["request_id"]} <= shown.keys()
    elsewhere = await world.ask(await world.any_family(), college)
    wanted = {one["request_id"]: shown[one["request_id"]] for one in (first, second)}
    wanted |= {elsewhere["request_id"]: shown[first["request_id"]]}
    lines = "\n".join(sorted(f"{request_id} {package}" for request_id, package in wanted.items()))
    step_up = await registrar.step_up("consent.approve", first["school_id"], digest_of(lines.encode()))
    body = {
        "requests": [{"request_id": request_id, "package": package} for request_id, package in wanted.items()],
        "notice": (await registrar.get("/consent/notice"))["digest"],
    }
    told = await registrar.post(path, body, step_up=step_up)
    again = await registrar.post(path, body, step_up=step_up)
    assert [one["status"] or one["problem"] for one in told] == ["approved", "approved", "not-found"]
    assert again == told
    for one, recipient in ((first, college), (second, scholarship)):
        end = await world.until_stage(family, one["request_id"], "acknowledged")
        assert [line["what"] for line in end["story"]].count("approved by the school") == 1
        delivery = await recipient.delivery_of(one["request_id"])
        assert delivery is not None and delivery["matches"] is True


async def test_two_recipients_of_one_version_and_selection_get_the_same_bytes(
    world: World, college: Receiver, scholarship: Receiver
) -> None:
    family = await world.family()
    first = await world.release(family, college)
    second = await world.release(family, scholarship, purpose="scholarship")
    assert first["package_digest"] == second["package_digest"]
    packages = []
    for recipient, request in ((college, first), (scholarship, second)):
        delivery = await recipient.delivery_of(request["request_id"])
        assert delivery is not None
        packages.append(await recipient.received(delivery["delivery_id"]))
    assert packages[0] == packages[1]


async def test_an_approval_of_other_bytes_than_those_shown_counts_for_nothing(world: World, college: Receiver) -> None:
    family = await world.family()
    request = await world.ask(family, college)
    notice = await family.signer.get("/consent/notice")
    other = "sha256:" + "0" * 64
    step_up = await family.signer.step_up("consent.sign", request["request_id"], other)
    body = {"package": other, "notice": notice["digest"]}
    no = await refused(
        family.signer.post(f"/consent/requests/{request['request_id']}/signature", body, step_up=step_up)
    )
    assert no.status == 409


async def test_a_signature_needs_a_step_up_of_its_own(world: World, college: Receiver) -> None:
    family = await world.family()
    request = await world.ask(family, college)
    shown = await acts.until(family.signer, request["request_id"], lambda one: one["package_digest"] is not None)
    notice = await family.signer.get("/consent/notice")
    body = {"package": shown["package_digest"], "notice": notice["digest"]}
    path = f"/consent/requests/{request['request_id']}/signature"
    assert (await refused(family.signer.post(path, body))).status == 401
    elsewhere = await family.signer.step_up("consent.sign", "req_" + "0" * 26, shown["package_digest"])
    assert (await refused(family.signer.post(path, body, step_up=elsewhere))).status == 401
    for_another_act = await family.signer.step_up("consent.revoke", request["request_id"])
    assert (await refused(family.signer.post(path, body, step_up=for_another_act))).status == 401


async def ledger_of(world: World, family: Family) -> list[Json]:
    """The family's own record of disclosures."""
    raw = await family.signer.get(f"/delivery/ledger?student_id={family.student.person_id}")
    return [json.loads(line) for line in raw.splitlines()]
