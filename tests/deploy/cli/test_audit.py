"""`placet audit`: what is proven is proven, and a change anywhere is found and its place named."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.cli.audit.problems import Problem
from deploy.cli.audit.proving import prove
from deploy.cli.audit.reading import FILES
from tests.deploy.cli.exports import (
    GENESIS,
    STRANGER,
    Export,
    an_export,
    digest,
    public,
    write_manifest,
)

LEDGER, SEALS, MANIFEST = "ledger.jsonl", "seals.jsonl", "manifest.json"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return an_export().write(tmp_path_factory.mktemp("good") / "export")


@pytest.fixture
def copy(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "export"))


def problems(folder: Path, **options: Any) -> list[Problem]:
    return prove(folder, **options).problems.found


def places(found: list[Problem]) -> list[tuple[str, int, str]]:
    return [(one.file, one.line, one.place) for one in found]


def test_every_disclosure_of_an_untouched_export_is_proven(good: Path) -> None:
    proof = prove(good, head=an_export().head)
    assert (proof.rows, proof.proven, proof.problems.count) == (6, 6, 0)
    assert (proof.head.number, proof.head_row, len(proof.keys)) == (6, 6, 2)


def test_a_school_that_has_disclosed_nothing_is_proven_too(tmp_path: Path) -> None:
    proof = prove(Export().write(tmp_path / "export"))
    assert (proof.rows, proof.proven, proof.problems.count, proof.head.hash) == (0, 0, 0, GENESIS)


# A byte anywhere.


def flipped(folder: Path, name: str, at: int, bit: int) -> int:
    """Flip one bit of a file; the line in which it stands."""
    raw = bytearray((folder / name).read_bytes())
    number = raw[:at].count(b"\n") + 1
    raw[at] ^= 1 << bit
    (folder / name).write_bytes(raw)
    return number


def is_named(found: list[Problem], name: str, number: int) -> bool:
    """Whether the file is named, and in a file of lines the line too."""
    in_lines = name.endswith(".jsonl")
    return any(one.file == name and (not in_lines or one.line == number) for one in found)


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_a_flipped_bit_anywhere_is_found_and_its_line_named(copy: Path, name: str) -> None:
    whole = (copy / name).read_bytes()
    chance = random.Random(name)
    for _ in range(300):
        at, bit = chance.randrange(len(whole)), chance.randrange(8)
        number = flipped(copy, name, at, bit)
        found = problems(copy)
        assert is_named(found, name, number), (at, bit, whole[max(0, at - 30) : at + 30], found)
        assert all(one.what and one.todo for one in found)
        (copy / name).write_bytes(whole)


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_a_flipped_bit_in_the_last_byte_and_the_first_of_each_line_is_found(copy: Path, name: str) -> None:
    whole = (copy / name).read_bytes()
    starts = [0, *(at + 1 for at, byte in enumerate(whole[:-1]) if byte == ord("\n"))]
    for at in [*starts, *(start - 1 for start in starts if start), len(whole) - 1]:
        number = flipped(copy, name, at, 0)
        assert is_named(problems(copy), name, number), at
        (copy / name).write_bytes(whole)


def other(value: Any) -> Any:
    """Another value that could stand there just as well."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, dict):
        return {**value, "words": value["words"] + " "}
    if isinstance(value, list):
        return [*value, "credit.S9"]
    if value.startswith("sha256:"):
        return "sha256:" + ("0" if value[7] != "0" else "1") + value[8:]
    if value.endswith("Z"):
        return value.replace(".", ":")[:-4] + ".999Z" if value[-4:] != "999Z" else value
    swaps = {"admission": "employment", "financial-aid": "admission", "employment": "admission", "version": "package"}
    if value in swaps:
        return swaps[value]
    return value[:-1] + ("1" if value[-1] != "1" else "2")


ROW_FIELDS = list(an_export(1).rows[0])


@pytest.mark.parametrize("name", ROW_FIELDS)
@pytest.mark.parametrize("number", [1, 3, 6])
def test_another_value_in_any_field_of_a_row_is_found_and_the_field_named(
    good: Path, tmp_path: Path, name: str, number: int
) -> None:
    made = an_export()
    row = made.rows[number - 1]
    row[name] = other(row[name])
    folder = made.write(tmp_path / "export")
    shutil.copy(good / MANIFEST, folder)
    found = [one for one in problems(folder) if one.file == LEDGER and one.line == number]
    assert any(name in one.place.split(", ") for one in found), found


@pytest.mark.parametrize("name", ROW_FIELDS)
def test_a_field_that_is_missing_or_new_is_named(tmp_path: Path, name: str) -> None:
    made = an_export(3)
    made.rows[1][name + "_"] = made.rows[1].pop(name)
    found = places(problems(made.write(tmp_path / "export")))
    assert {(LEDGER, 2, name), (LEDGER, 2, name + "_")} <= set(found)


@pytest.mark.parametrize("what", ["package", "version"])
def test_another_value_in_any_field_of_a_seal_is_found_and_the_line_named(tmp_path: Path, what: str) -> None:
    for name in next(one for one in an_export(1).seals if one["what"] == what):
        made = an_export(3)
        number, seal = next(
            (at, one)
            for at, one in enumerate(made.seals, start=1)
            if (one["what"], one["transcript_id"]) == (what, "trn_2")
        )
        seal[name] = other(seal[name])
        assert is_named(problems(made.write(tmp_path / "export")), SEALS, number), name


@pytest.mark.parametrize(
    "path",
    ["format", "school_id", "origin", "exported_at", "digest", "head.number", "head.hash", "files.seals.jsonl.size"],
)
def test_another_value_in_the_manifest_is_found_and_named(copy: Path, path: str) -> None:
    said = json.loads((copy / MANIFEST).read_bytes())
    steps = ["files", "seals.jsonl", "size"] if path.startswith("files") else path.split(".")
    inner = said
    for step in steps[:-1]:
        inner = inner[step]
    inner[steps[-1]] = other(inner[steps[-1]])
    (copy / MANIFEST).write_bytes(json.dumps(said, ensure_ascii=False, indent=2).encode() + b"\n")
    found = problems(copy)
    assert [one.file for one in found] == [MANIFEST]
    assert path.split(".", maxsplit=1)[0] in found[0].place


# Rows that go, come or move. The forger writes a fitting manifest too, where the test says so.


def remove(made: Export) -> None:
    del made.rows[2]


def swap(made: Export) -> None:
    made.rows[1], made.rows[2] = made.rows[2], made.rows[1]


def repeat(made: Export) -> None:
    made.rows.insert(3, made.rows[2])


@pytest.mark.parametrize(
    ("bend", "number", "words"),
    [
        (remove, 3, "says row 4 where row 3 must stand"),
        (swap, 2, "says row 3 where row 2 must stand"),
        (repeat, 4, "says row 3 where row 4 must stand"),
    ],
    ids=["removed", "swapped", "repeated"],
)
def test_a_row_that_was_removed_swapped_or_repeated_is_found_at_its_line(
    tmp_path: Path, bend: Callable[[Export], None], number: int, words: str
) -> None:
    made = an_export()
    bend(made)
    found = problems(made.write(tmp_path / "export"))
    assert any((one.line, one.place) == (number, "number") and words in one.what for one in found), found


def test_a_row_that_was_removed_and_the_chain_made_anew_is_found_by_its_numbers_no_more_but_by_the_head(
    tmp_path: Path,
) -> None:
    made = an_export()
    noted = made.rows[4]["hash"]
    del made.rows[2]
    made.renumber()
    folder = made.write(tmp_path / "export")
    assert problems(folder) == []  # nothing inside can tell
    found = problems(folder, head=noted)
    assert places(found) == [(LEDGER, 0, "hash")] and "head that you noted" in found[0].what


def test_a_head_that_was_noted_is_found_again_with_the_rows_since(good: Path) -> None:
    proof = prove(good, head=an_export().rows[3]["hash"])
    assert (proof.head_row, proof.problems.count) == (4, 0)


def test_a_cut_ledger_is_found_by_the_manifest_and_under_a_new_manifest_by_the_head(copy: Path) -> None:
    rows = (copy / LEDGER).read_bytes().splitlines(keepends=True)
    (copy / LEDGER).write_bytes(b"".join(rows[:4]))
    found = problems(copy)
    assert places(found) == [(LEDGER, 0, "")] and "bytes where" in found[0].what
    made = an_export()
    write_manifest(copy, made.rows[3]["hash"], 4)
    assert problems(copy) == []
    assert places(problems(copy, head=made.head)) == [(LEDGER, 0, "hash")]


@pytest.mark.parametrize("name", [LEDGER, SEALS])
def test_a_file_that_ends_in_the_middle_of_a_line_is_found_there(copy: Path, name: str) -> None:
    raw = (copy / name).read_bytes()
    (copy / name).write_bytes(raw[:-40])
    assert is_named(problems(copy), name, raw.count(b"\n"))


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    found = problems(copy)
    assert (name, 0, "") in places(found)
    assert prove(copy).proven == (6 if name in {MANIFEST, "issuer.jwks.json"} else 0)


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"a":1e5}\n', b'{"a":"\\ud800"}\n'])
def test_rubbish_in_place_of_a_file_is_found_and_named(copy: Path, name: str, raw: bytes) -> None:
    (copy / name).write_bytes(raw)
    assert name in {one.file for one in problems(copy)}


# Forgers without consent's key, who make chain and manifest fit.


def forged(made: Export, index: int, **changes: Any) -> None:
    made.rows[index] |= changes
    made.chain()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("recipient_id", "org_press"),
        ("student_id", "per_student5"),
        ("request_id", "req_99"),
        ("transcript_version", 2),
        ("package_digest", digest("package 5")),
        ("purpose", "scholarship"),
        ("grant_jti", "grt_0123456789abcdef99"),
        ("basis", {"code": "student-consent", "section": "34 CFR 99.30", "words": "The student agreed."}),
    ],
)
def test_a_row_that_says_more_than_its_grant_is_found_though_the_chain_holds(
    tmp_path: Path, name: str, value: Any
) -> None:
    made = an_export()
    forged(made, 1, **{name: value})
    proof = prove(made.write(tmp_path / "export"))
    assert (LEDGER, 2, name) in places(proof.problems.found)
    assert proof.proven == 5


def test_a_disclosure_that_is_added_with_a_grant_used_already_is_found(tmp_path: Path) -> None:
    made = an_export()
    made.rows.append({**made.rows[2], "number": 7, "delivery_id": "dlv_7"})
    made.chain()
    found = places(problems(made.write(tmp_path / "export")))
    assert {(LEDGER, 7, "grant_jti"), (LEDGER, 7, "request_id")} <= set(found)


def test_a_grant_that_a_stranger_signed_is_found(tmp_path: Path) -> None:
    made = an_export()
    made.regrant(5, key=STRANGER, recipient_id="org_press")
    proof = prove(made.write(tmp_path / "export"))
    assert places(proof.problems.found) == [(LEDGER, 6, "grant")]
    assert "not consent's" in proof.problems.found[0].what and proof.proven == 5


def test_a_stranger_who_names_consents_key_is_found(tmp_path: Path) -> None:
    made = an_export()
    kid = json.loads(json.dumps(made.consent_keys["keys"][0]["kid"]))
    impostor = type(STRANGER).import_key({**STRANGER.as_dict(private=True), "kid": kid})
    made.regrant(3, key=impostor)
    found = problems(made.write(tmp_path / "export"))
    assert places(found) == [(LEDGER, 4, "grant")] and "signature that does not fit" in found[0].what


def test_a_key_put_under_consents_name_is_found(tmp_path: Path) -> None:
    made = an_export()
    made.consent_keys["keys"][0]["x"] = STRANGER.as_dict(private=False)["x"]
    found = problems(made.write(tmp_path / "export"))
    assert ("grants.jwks.json", 0, "keys[1].kid") in places(found)


def test_whoever_replaces_keys_and_signs_everything_anew_is_found_with_keys_fetched_by_oneself(tmp_path: Path) -> None:
    made = an_export()
    known = tmp_path / "consent.jwks.json"
    known.write_text(json.dumps(made.consent_keys))
    for index in range(6):
        made.regrant(index, key=STRANGER)
    made.consent_keys = public(STRANGER)
    folder = made.write(tmp_path / "export")
    assert problems(folder) == []  # nothing inside can tell
    found = problems(folder, grant_keys=known)
    assert places(found) == [("grants.jwks.json", 0, "keys"), (LEDGER, 1, "grant")]
    assert "5 later ones" in found[1].what


def test_the_wrong_keys_prove_nothing(good: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps(public(STRANGER)))
    proof = prove(good, grant_keys=wrong)
    assert proof.proven == 0 and (LEDGER, 1, "grant") in places(proof.problems.found)


def test_a_private_key_in_the_export_is_called_out(tmp_path: Path) -> None:
    made = an_export(1)
    made.consent_keys["keys"].append({**STRANGER.as_dict(private=True), "kid": STRANGER.thumbprint()})
    (found,) = problems(made.write(tmp_path / "export"))
    assert found.place == "keys[3]" and "private key" in found.what
