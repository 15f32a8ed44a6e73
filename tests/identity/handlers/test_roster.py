"""Importing a roster: people and events, repeats, whose schools, and what leaves no trace."""

import json
from datetime import timedelta

import pytest

from contracts.problem import Reason
from contracts.types import OrganizationId, PersonId, RightsHolder
from services.chassis.decision import Refusal
from services.identity.domain import Import, Person, Severity
from services.identity.gateways.profiles import open_profile
from services.identity.gateways.roster import SourcedId
from services.identity.handlers.rows import person_id_of
from services.identity.store import IMPORTS
from tests.identity.canaries import LISTED_NOWHERE, PERSONAL, cells_of
from tests.identity.conftest import HARBOR, NOW, ROSTERS, District, kinds
from tests.identity.gateways.conftest import (
    DEMOGRAPHICS_HEADER,
    ORGS,
    ROLES_HEADER,
    USERS_HEADER,
    Files,
    role,
    small_roster,
    user,
)

MESA = OrganizationId("org_mesa")


def person(sourced_id: str, source: str = HARBOR) -> PersonId:
    return person_id_of(source, SourcedId(sourced_id))


async def known(district: District, sourced_id: str, source: str = HARBOR) -> Person:
    found = await district.questions.person(person(sourced_id, source))
    assert found is not None
    return found


async def imported(district: District, files: Files | bytes | None = None, **how: object) -> Import:
    school = await district.questions.organization(HARBOR) or await district.school()
    report = await district.imports(school, files, **how)  # type: ignore[arg-type]
    assert isinstance(report, Import), report
    return report


async def test_everybody_of_the_roster_gets_an_account_and_is_told(district: District) -> None:
    report = await imported(district)
    assert (report.counts.read, report.counts.created, report.problems) == (3, 3, ())
    student, guardian, teacher = [await known(district, one) for one in ("st1", "gu1", "te1")]
    assert student.guardians == (guardian.person_id,)
    assert student.rights_holder is RightsHolder.GUARDIAN
    assert kinds(teacher) == ["educator"]
    assert district.types_said().count("identity.person.recorded.v1") == 3
    profile = await open_profile(district.keys, guardian)
    assert profile is not None
    assert (profile.name, profile.email) == ("Bela Ashby", "bela@home.example.org")


async def test_the_same_roster_again_changes_nothing_and_says_nothing(district: District) -> None:
    await imported(district)
    documents, said = dict(district.store.tables["people"]), len(district.store.outbox)
    again = await imported(district, again="2", at=NOW + timedelta(days=1))
    assert (again.counts.unchanged, again.counts.created, again.counts.changed) == (3, 0, 0)
    assert district.store.tables["people"] == documents
    assert len(district.store.outbox) == said


async def test_the_same_command_again_answers_with_the_same_report(district: District) -> None:
    first = await imported(district)
    second = await imported(district, {**small_roster(), "users.csv": "not even a roster"})
    assert second == first


async def test_only_what_has_changed_is_told(district: District) -> None:
    await imported(district)
    files = small_roster()
    files["users.csv"] = str(files["users.csv"]).replace("Cleo,Moss", "Cleo,Marsh")
    again = await imported(district, files, again="2")
    assert (again.counts.changed, again.counts.unchanged) == (1, 2)
    assert (await known(district, "te1")).version == 2


async def test_a_preferred_name_is_the_one_that_is_said(district: District) -> None:
    files = small_roster()
    line = user("st1", "Ada", "Ashby", email="ada@students.example.org", agents="gu1")
    chosen = line.rstrip("\n").split(",")
    chosen[17] = "Addie"
    files["users.csv"] = str(files["users.csv"]).replace(line, ",".join(chosen) + "\n")
    await imported(district, files)
    profile = await open_profile(district.keys, await known(district, "st1"))
    assert profile is not None
    assert (profile.name, profile.given_name) == ("Addie Ashby", "Ada")


async def test_a_crash_in_the_middle_leaves_nothing_half_and_the_import_is_repeated(district: District) -> None:
    school = await district.school()
    said = len(district.store.outbox)
    district.store.crash_before_commit = True
    with pytest.raises(ConnectionError):
        await district.imports(school)
    assert "people" not in district.store.tables
    assert len(district.store.outbox) == said
    district.store.crash_before_commit = False
    report = await imported(district)
    assert report.counts.created == 3


async def test_bad_rows_are_told_and_good_ones_kept(district: District) -> None:
    school = await district.school("org_mv", "org-mesa-verde", timezone="America/Denver")
    report = await district.imports(school, (ROSTERS / "roster-dirty-rows.zip").read_bytes())
    assert isinstance(report, Import)
    assert report.counts.created > 80
    assert any(one.severity is Severity.ERROR and one.file == "users.csv" for one in report.problems)
    assert report.counts.errors >= 16
    kept = await district.questions.imported(report.import_id)
    assert kept == report


@pytest.mark.parametrize("name", ["windows-1252", "truncated", "bomb"])
async def test_an_archive_that_can_not_be_read_changes_nothing(district: District, name: str) -> None:
    school = await district.school("org_hp", "org-harbor-point")
    refusal = await district.imports(school, (ROSTERS / f"roster-{name}.zip").read_bytes())
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.INVALID
    assert "people" not in district.store.tables
    assert await district.store.count(IMPORTS, {}) == 0


async def test_a_roster_of_another_school_is_refused(district: District) -> None:
    school = await district.school(sourced_id="s9")
    refusal = await district.imports(school)
    assert isinstance(refusal, Refusal)
    assert "'s9'" in refusal.detail


async def test_a_school_may_be_known_by_its_identifier(district: District) -> None:
    school = await district.school(sourced_id="NC-001")
    report = await district.imports(school)
    assert isinstance(report, Import)
    assert report.counts.created == 3


def two_schools() -> Files:
    files = small_roster()
    files["orgs.csv"] = ORGS + "s2,,,Mesa School,school,NC-002,d1\n"
    files["users.csv"] = str(files["users.csv"]) + user("st2", "Dara", "Moss", agents="te1")
    files["roles.csv"] = str(files["roles.csv"]) + role("st2", "student", "s2") + role("te1", "guardian", "s2")
    files["demographics.csv"] = str(files["demographics.csv"]) + "st2,,,2010-05-05,,,,\n"
    return files


async def test_a_registrar_imports_for_their_own_school_and_the_rest_is_told(district: District) -> None:
    school = await district.school(source="d1")
    await district.school(MESA, "s2", source="d1")
    report = await district.imports(school, two_schools(), may_import=frozenset({HARBOR}))
    assert isinstance(report, Import)
    assert (report.counts.created, report.counts.left_out, report.school_ids) == (3, 1, (HARBOR,))
    assert [one.file for one in report.problems] == ["orgs.csv", "users.csv"]
    teacher = await known(district, "te1", "d1")
    assert [place.organization_id for place in teacher.memberships] == [HARBOR]
    assert await district.questions.person(person("st2", "d1")) is None


async def test_an_operator_imports_a_district_and_a_school_later_touches_only_its_own(district: District) -> None:
    school = await district.school(source="d1")
    await district.school(MESA, "s2", source="d1")
    await district.imports(school, two_schools())
    teacher = await known(district, "te1", "d1")
    assert [place.organization_id for place in teacher.memberships] == [HARBOR, MESA]
    assert (await known(district, "st2", "d1")).guardians == (teacher.person_id,)
    report = await district.imports(school, small_roster(), may_import=frozenset({HARBOR}), again="2")
    assert isinstance(report, Import)
    assert report.counts.unchanged == 3
    assert (await known(district, "te1", "d1")) == teacher


async def test_who_is_not_in_a_whole_roster_stays_and_is_told(district: District) -> None:
    await imported(district)
    files = small_roster()
    files["users.csv"] = USERS_HEADER + user("gu1", "Bela", "Ashby", email="bela@home.example.org")
    files["roles.csv"] = ROLES_HEADER + role("gu1", "guardian")
    files["demographics.csv"] = DEMOGRAPHICS_HEADER
    report = await imported(district, files, again="2")
    assert report.counts.absent == 2
    assert (await known(district, "st1")).active
    assert "tobedeleted" in report.problems[0].reason


def delta(users: str, roles: str = "", demographics: str = "") -> Files:
    manifest = "propertyName,value\nmanifest.version,1.0\noneroster.version,1.2\nfile.users,delta\nfile.roles,delta\n"
    return {
        "manifest.csv": manifest,
        "users.csv": USERS_HEADER + users,
        "roles.csv": ROLES_HEADER + roles,
        "demographics.csv": DEMOGRAPHICS_HEADER + demographics,
    }


async def test_a_file_of_changes_leaves_everything_else(district: District) -> None:
    await imported(district)
    gone = user("gu1").replace("gu1,,,", "gu1,tobedeleted,,")
    new = user("gu2", "Cyra", "Ashby") + user("st1", "Ada", "Ashby", email="ada@students.example.org", agents="gu2")
    report = await imported(district, delta(gone + new, role("gu2", "guardian") + role("st1", "student")), again="2")
    assert (report.counts.created, report.counts.changed) == (1, 2)
    assert not (await known(district, "gu1")).active
    assert (await known(district, "st1")).guardians == (person("gu2"),)
    assert (await known(district, "te1")).version == 1


async def test_removing_somebody_who_was_never_there_is_no_problem(district: District) -> None:
    await imported(district)
    report = await imported(district, delta(user("xx").replace("xx,,,", "xx,tobedeleted,,")), again="2")
    assert (report.counts.unchanged, report.problems) == (1, ())


async def test_changes_of_somebody_unknown_are_told(district: District) -> None:
    await imported(district)
    report = await imported(district, delta(user("xx", "Nova", "Reed")), again="2")
    assert report.counts.left_out == 1
    assert "send the whole roster" in report.problems[0].reason


async def test_a_guardian_whom_nobody_knows_stands_for_nobody(district: District) -> None:
    await imported(district)
    line = user("st1", "Ada", "Ashby", email="ada@students.example.org", agents="gu1,ghost")
    await imported(district, delta(line), again="2")
    assert (await known(district, "st1")).guardians == (person("gu1"),)


async def test_an_erased_person_is_not_made_again(district: District) -> None:
    await imported(district)
    await district.keys.erase(person("te1"))
    files = small_roster()
    files["users.csv"] = str(files["users.csv"]).replace("Cleo,Moss", "Cleo,Marsh")
    report = await imported(district, files, again="2")
    assert report.counts.left_out == 1
    assert "was erased" in report.problems[0].reason


async def test_a_student_who_is_18_at_the_import_signs(district: District) -> None:
    files = small_roster()
    files["demographics.csv"] = DEMOGRAPHICS_HEADER + "st1,,,2008-11-24,,,,\n"
    await imported(district, files)
    assert (await known(district, "st1")).rights_holder is RightsHolder.STUDENT


async def test_p8_a_roster_full_of_extra_pii_leaves_nothing_beyond_the_list(district: District) -> None:
    """Accounts are made from name and e-mail; and even these are nowhere to be read."""
    await district.school("org_hp", "org-harbor-point", source="two")
    await district.school("org_mv", "org-mesa-verde", timezone="America/Denver", source="two")
    school = await district.questions.organization(OrganizationId("org_hp"))
    assert school is not None
    archive = (ROSTERS / "roster-harbor-point.zip").read_bytes()
    report = await district.imports(school, archive)
    assert isinstance(report, Import)
    assert report.counts.created > 500
    kept = json.dumps(district.store.tables, default=_shown)
    cells = cells_of(archive, PERSONAL)
    assert len(cells) > 2_000
    leaked = {cell for cell in cells if cell in kept}
    assert leaked == set()
    profiles = [await open_profile(district.keys, one) for one in await district.everybody()]
    assert {field for profile in profiles if profile for field in profile.model_dump()} == {
        "name", "given_name", "family_name", "email", "language"
    }  # fmt: skip
    inside = json.dumps([profile.model_dump() for profile in profiles if profile], ensure_ascii=False)
    assert {cell for cell in cells_of(archive, LISTED_NOWHERE) if cell in inside} == set()


def _shown(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
