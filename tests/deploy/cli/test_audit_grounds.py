"""`placet audit` on genuine grants that do not carry a disclosure: what a fault in the services would leave behind."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.types import Basis, BasisCode, Capacity, OrganizationKind, Purpose, RightsHolder, Selection
from deploy.cli.audit.grants import _GROUNDS, _PURPOSES
from deploy.cli.audit.problems import Problem
from deploy.cli.audit.proving import prove
from deploy.cli.audit.reading import canonical
from services.consent.domain.basis import PURPOSES, basis_for
from tests.deploy.cli.exports import (
    NOON,
    an_export,
    digest,
    spelled,
)

LEDGER, SEALS = "ledger.jsonl", "seals.jsonl"


def problems(folder: Path) -> list[Problem]:
    return prove(folder).problems.found


def places(found: list[Problem]) -> list[tuple[str, int, str]]:
    return [(one.file, one.line, one.place) for one in found]


@pytest.mark.parametrize(
    ("claims", "place", "words"),
    [
        ({"aud": ("records",)}, "grant", "not addressed to delivery"),
        ({"exp": int((NOON + timedelta(days=2, hours=2)).timestamp())}, "disclosed_at", "after the grant had run out"),
        ({"iat": int((NOON + timedelta(days=2, hours=3)).timestamp())}, "disclosed_at", "before the grant was made"),
        ({"exp": 1}, "grant", "contradict"),
        ({"purpose": Purpose.ADMISSION}, "purpose", "none for which this kind of recipient"),
        ({"sub": "per_other"}, "student_id", "its student"),
        ({"school_id": "org_mesa"}, "school_id", "another school"),
        ({"package_id": "pkg_none"}, "package_digest", "does not have"),
        ({"package_id": "pkg_3"}, "package_digest", "its digest"),
        ({"transcript_id": "trn_3"}, "transcript_id", "its transcript"),
        ({"transcript_version": 9}, "transcript_version", "is a version that seals.jsonl does not have"),
        ({"transcript_digest": digest("other")}, "transcript_version", "the digest of its version"),
        ({"selection": Selection(parts=("courses",))}, "package_digest", "its selection"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else None,
)  # fmt: skip
def test_a_genuine_grant_that_does_not_fit_is_found(
    tmp_path: Path, claims: dict[str, Any], place: str, words: str
) -> None:
    made = an_export()
    made.regrant(1, **claims)
    if claims.get("school_id"):
        made.rows[1]["school_id"] = claims["school_id"]
        made.chain(1)
    found = problems(made.write(tmp_path / "export"))
    assert any((one.file, one.line, one.place) == (LEDGER, 2, place) and words in one.what for one in found), found


@pytest.mark.parametrize(
    ("index", "changes"),
    [
        (0, {"capacity": Capacity.STUDENT_DIRECTION}),
        (0, {"capacity": Capacity.ELIGIBLE_STUDENT}),
        (0, {"person_id": "per_student1"}),
        (1, {"person_id": "per_guardian2"}),
        (1, {"capacity": Capacity.GUARDIAN}),
    ],
)
def test_a_basis_that_the_signer_cannot_give_is_found(tmp_path: Path, index: int, changes: dict[str, Any]) -> None:
    made = an_export()
    made.regrant(index, grantor=made.grants[index].grantor.model_copy(update=changes))
    assert places(problems(made.write(tmp_path / "export")))[0] == (LEDGER, index + 1, "basis")


@pytest.mark.parametrize("changes", [{"section": "34 CFR 99.31"}, {"words": "It is for the best."}])
def test_a_basis_in_other_words_than_any_is_found(tmp_path: Path, changes: dict[str, str]) -> None:
    made = an_export()
    made.regrant(2, basis=made.grants[2].basis.model_copy(update=changes))
    assert places(problems(made.write(tmp_path / "export"))) == [(LEDGER, 3, "basis")]


def test_every_basis_that_consent_gives_is_known_with_its_purposes() -> None:
    for kind, purposes in PURPOSES.items():
        for holder in RightsHolder:
            basis: Basis = basis_for(kind, holder)
            section, _, words = _GROUNDS[basis.code]
            named = basis.words.removesuffix(".").partition("that it goes to ")[2]
            assert (basis.section, words.replace("(.*)\\.", named + ".")) == (section, basis.words)
            assert _PURPOSES[named] == purposes
    assert set(_GROUNDS) == set(BasisCode) and len(_PURPOSES) == len(OrganizationKind) - 1


@pytest.mark.parametrize(
    ("what", "changes", "place", "words"),
    [
        ("package", {"prepared_at": spelled(NOON + timedelta(days=2, hours=1.5))}, "package_digest", "before the package was prepared"),
        ("version", {"sealed_at": spelled(NOON + timedelta(days=2, hours=1.5))}, "transcript_version", "before it was sealed"),
        ("package", {"digest": digest("other bytes")}, "package_digest", "its digest"),
        ("package", {"parts": ["courses"], "partial": True}, "package_digest", "its selection"),
    ],
)  # fmt: skip
def test_a_disclosure_of_what_was_not_sealed_so_before_is_found(
    tmp_path: Path, what: str, changes: dict[str, Any], place: str, words: str
) -> None:
    made = an_export()
    made.reseal(what, 2, **changes)
    found = problems(made.write(tmp_path / "export"))
    assert any((one.file, one.line, one.place) == (LEDGER, 2, place) and words in one.what for one in found), found


@pytest.mark.parametrize(
    ("what", "changes", "place"),
    [
        ("package", {"transcript_digest": digest("other")}, "transcript_digest"),
        ("package", {"prepared_at": spelled(NOON)}, "prepared_at"),
        ("package", {"partial": True}, "partial"),
        ("version", {"transcript_version": 2}, "transcript_version"),
    ],
)
def test_seals_that_contradict_one_another_are_found(
    tmp_path: Path, what: str, changes: dict[str, Any], place: str
) -> None:
    made = an_export()
    made.reseal(what, 2, **changes)
    number = 3 if what == "package" else 4
    assert (SEALS, number, place) in places(problems(made.write(tmp_path / "export")))


def test_a_seal_that_stands_there_twice_is_found(tmp_path: Path) -> None:
    made = an_export(2)
    made.seals.append(made.seals[0])
    assert places(problems(made.write(tmp_path / "export"))) == [(SEALS, 5, "")]


def test_rows_far_before_the_row_before_them_are_found(tmp_path: Path) -> None:
    made = an_export()
    made.rows[3]["disclosed_at"] = made.rows[1]["disclosed_at"]
    made.grants[3] = made.grants[3].model_copy(update={"iat": made.grants[1].iat})
    made.chain()
    assert (LEDGER, 4, "disclosed_at") in places(problems(made.write(tmp_path / "export")))


# Its own tools.


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(max_codepoint=127)), inner),
        max_leaves=12,
    )
)
def test_its_own_canonical_json_is_rfc_8785(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


def test_what_proves_imports_nothing_of_the_services() -> None:
    for path in (Path(__file__).parents[3] / "deploy" / "cli" / "audit").glob("*.py"):
        if path.name not in {"command.py", "exporting.py"}:
            assert "services" not in [
                word for row in path.read_text().splitlines() if "import" in row for word in row.split(".")
            ], path
