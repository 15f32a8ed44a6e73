"""The build's last step: bill of materials, licences, bytecode."""

import importlib.util
import json
import sys
from email.message import Message
from types import SimpleNamespace
from typing import Any, cast

import pytest

from deploy.image.context import ROOT
from deploy.image.finish import (
    Installed,
    Locked,
    bill,
    compile_tree,
    debian,
    index_version,
    installed,
    licence_of,
    licences,
    locked,
    normal,
    open_to_all,
)

LOCK = """\
aiohttp==3.14.5 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via placet (pyproject.toml)
Typing_Extensions==4.15.0 \\
    --hash=sha256:cc
    # via
    #   aiohttp
    #   placet (pyproject.toml)
"""
PACKAGES = (Installed("aiohttp", "3.14.5", "Apache-2.0 AND MIT"), Installed("typing-extensions", "4.15.0", "PSF-2.0"))
DIGESTS = {"aiohttp": "aa", "typing-extensions": "cc"}
BASE = ({"Package": "libssl3", "Version": "3.0.17-1~deb12u2+b1", "Architecture": "amd64"},)


def test_a_lock_file_says_what_is_pinned_and_who_wants_it():
    assert locked(LOCK) == (
        Locked("aiohttp", "3.14.5", ("placet",)),
        Locked("typing-extensions", "4.15.0", ("aiohttp", "placet")),
    )


def test_every_package_of_the_real_lock_file_is_wanted_by_somebody_in_it():
    packages = locked((ROOT / "requirements.lock").read_text())
    names = {one.name for one in packages} | {"placet"}
    assert len(names) > 50
    for one in packages:
        assert one.wanted_by, one
        assert {*one.wanted_by} <= names, one


def test_names_are_compared_as_an_index_does():
    assert normal("Typing_.Extensions") == "typing-extensions"


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("2.012", "2.12"),
        ("1.0", "1.0"),
        ("0.10.05", "0.10.5"),
        ("2026.10.19.post1", "2026.10.19.post1"),
        ("3.100", "3.100"),
    ],
)
def test_versions_are_written_as_an_index_does(said, written):
    assert index_version(said) == written


def test_the_bill_names_each_wheel_by_its_digest_and_each_package_of_the_base():
    made = bill(PACKAGES, locked(LOCK), DIGESTS, BASE, "0.1.0")
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")
    assert made["metadata"]["component"]["version"] == "0.1.0"
    assert [one["purl"] for one in made["components"]] == [
        "pkg:pypi/aiohttp@3.14.5",
        "pkg:pypi/typing-extensions@4.15.0",
        "pkg:deb/debian/libssl3@3.0.17-1~deb12u2%2Bb1?arch=amd64",
    ]
    assert made["components"][0]["hashes"] == [{"alg": "SHA-256", "content": "aa"}]


def test_the_bill_says_who_needs_what():
    needs = {one["ref"]: one["dependsOn"] for one in bill(PACKAGES, locked(LOCK), DIGESTS, (), "1")["dependencies"]}
    assert needs == {
        "placet": ["pkg:pypi/aiohttp@3.14.5", "pkg:pypi/typing-extensions@4.15.0"],
        "pkg:pypi/aiohttp@3.14.5": ["pkg:pypi/typing-extensions@4.15.0"],
        "pkg:pypi/typing-extensions@4.15.0": [],
    }


def test_every_reference_of_the_bill_is_taken_once():
    made = bill(PACKAGES, locked(LOCK), DIGESTS, BASE, "1")
    references = [one["bom-ref"] for one in made["components"]]
    assert len({*references}) == len(references)


def test_a_wheel_without_a_digest_ends_the_build():
    with pytest.raises(KeyError, match="aiohttp"):
        bill(PACKAGES, locked(LOCK), {}, (), "1")


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ([("License-Expression", "MIT OR Apache-2.0"), ("License", "MIT")], "MIT OR Apache-2.0"),
        ([("License", "BSD"), ("Classifier", "License :: OSI Approved :: BSD License")], "BSD"),
        (
            [("License", "Copyright …\nAll rights …"), ("Classifier", "License :: OSI Approved :: MIT License")],
            "MIT License",
        ),
        ([("License", "UNKNOWN")], "unknown"),
        ([("Classifier", "Framework :: AsyncIO")], "unknown"),
    ],
    ids=["expression", "name", "whole text", "said to be unknown", "nothing"],
)
def test_a_licence_is_what_the_package_says(fields, licence):
    said = Message()
    for name, value in fields:
        said[name] = value
    assert licence_of(cast("Any", SimpleNamespace(metadata=said))) == licence


def test_the_list_of_licences_has_a_line_for_each_package():
    assert "aiohttp 3.14.5: Apache-2.0 AND MIT\n" in licences(PACKAGES)
    assert "Placet: Apache-2.0" in licences(())


def test_what_is_installed_is_found_in_order():
    names = [one.name for one in installed()]
    assert names == sorted(names)
    assert "pytest" in names


def test_a_base_says_its_packages_in_one_file_or_in_many(tmp_path):
    assert [*debian(tmp_path)] == []
    one = "Package: libc6\nStatus: install ok installed\nVersion: 2.36-9\nArchitecture: amd64\nDescription: C\n"
    many = tmp_path / "var/lib/dpkg/status.d"
    many.mkdir(parents=True)
    (many / "libc6").write_text(one)
    (many / "libc6.md5sums").write_text("0 usr/lib/x")
    assert [*debian(tmp_path)] == [{"Package": "libc6", "Version": "2.36-9", "Architecture": "amd64"}]
    (tmp_path / "var/lib/dpkg/status").write_text(f"{one}\n{one.replace('libc6', 'zlib1g')}")
    assert [found["Package"] for found in debian(tmp_path)] == ["libc6", "zlib1g", "libc6"]


def test_bytecode_is_the_same_whenever_it_is_made_and_never_held_against_its_source(tmp_path):
    (tmp_path / "a/inner").mkdir(parents=True)
    source = tmp_path / "a/inner/one.py"
    source.write_text("NAMES = {'b', 'a'}\ndef one() -> str:\n    return __file__\n")
    made = []
    for turn in ("first", "second"):
        assert [*compile_tree(tmp_path / "a", tmp_path / turn, tmp_path / "shown")] == []
        made.append((tmp_path / turn / f"inner/__pycache__/one.{sys.implementation.cache_tag}.pyc").read_bytes())
    assert made[0] == made[1]
    assert made[0][4:8] == (1).to_bytes(4, "little")  # PEP 552: hash based, source not looked at
    assert str(tmp_path / "shown/inner/one.py").encode() in made[0]


def test_bytecode_lies_where_python_looks_for_it(tmp_path):
    (tmp_path / "one.py").write_text("ONE = 1\n")
    assert [*compile_tree(tmp_path, tmp_path, tmp_path)] == []
    assert [str(path) for path in tmp_path.rglob("*.pyc")] == [
        importlib.util.cache_from_source(str(tmp_path / "one.py"))
    ]


def test_a_file_that_is_no_python_is_told_and_the_rest_is_made(tmp_path):
    (tmp_path / "bad.py").write_text("print 'two'\n")
    (tmp_path / "good.py").write_text("GOOD = 1\n")
    assert [*compile_tree(tmp_path, tmp_path, tmp_path)] == [tmp_path / "bad.py"]
    assert len([*tmp_path.rglob("*.pyc")]) == 1


def test_everybody_may_read_and_nobody_write(tmp_path):
    (tmp_path / "folder").mkdir(mode=0o700)
    (tmp_path / "folder/read.py").touch(mode=0o600)
    (tmp_path / "folder/run").touch(mode=0o700)
    (tmp_path / "link").symlink_to("nowhere")
    open_to_all(tmp_path)
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "folder/read.py").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "folder/run").stat().st_mode & 0o777 == 0o755


def test_the_bill_is_the_same_text_each_time():
    texts = {json.dumps(bill(PACKAGES, locked(LOCK), DIGESTS, BASE, "1")) for _ in range(3)}
    assert len(texts) == 1
