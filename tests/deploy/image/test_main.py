"""`python -m deploy.image`: its words, and how it ends."""

import pytest

from deploy.image import __main__ as command
from deploy.image import checking
from deploy.image.building import Bases, Plan, Workshop
from deploy.image.tools import NotMade

OWN = Bases("one", "two", own=True)


@pytest.fixture(autouse=True)
def made(monkeypatch, tmp_path) -> list[Bases]:
    """The bases that were built with; nothing is built."""
    built: list[Bases] = []

    def build(_, plan: Plan, name: str = "placet") -> str:
        if name == "placet":
            built.append(plan.bases)
        return "sha256:first"

    monkeypatch.setattr(command, "need", lambda *_: None)
    monkeypatch.setattr(Workshop, "make_bases", lambda _: OWN)
    monkeypatch.setattr(Workshop, "build", build)
    monkeypatch.setattr(Workshop, "plan", lambda _, bases, source: Plan(bases, "1", "abc", source))
    monkeypatch.setattr(Workshop, "unpack", lambda _: tmp_path)
    for name in ("contents", "alone"):
        monkeypatch.setattr(checking, name, lambda _: iter(()))

    nothing: tuple[str, ...] = ()

    async def all_well(*_):
        for sentence in nothing:
            yield sentence

    monkeypatch.setattr(checking, "whole_house", all_well)
    return built


def test_a_build_ends_with_the_digest(capsys, made):
    assert command.main(["build"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "sha256:first"
    assert made == [OWN]


def test_given_bases_are_taken(made):
    assert command.main(["build", "--build-base", "a@sha256:1", "--run-base", "b@sha256:2"]) == 0
    assert made == [Bases("a@sha256:1", "b@sha256:2")]


def test_one_base_alone_is_refused(capsys, made):
    assert command.main(["build", "--run-base", "b"]) == 2
    assert "both bases or none" in capsys.readouterr().err
    assert made == []


def test_a_good_image_passes(capsys):
    assert command.main(["check"]) == 0
    assert "as it should be" in capsys.readouterr().out


def test_two_digests_of_the_same_files_fail(monkeypatch, capsys):
    monkeypatch.setattr(Workshop, "build", lambda _, __, name="first": f"sha256:{name}")
    assert command.main(["check"]) == 1
    assert "sha256:first and sha256:placet-again" in capsys.readouterr().out


def test_every_fault_is_told(monkeypatch, capsys):
    async def house(*_):
        yield "consent-api is not ready"

    monkeypatch.setattr(checking, "whole_house", house)
    monkeypatch.setattr(checking, "contents", lambda _: iter(["/bin/sh is in the image"]))
    assert command.main(["check"]) == 1
    assert {"consent-api is not ready", "/bin/sh is in the image"} <= {*capsys.readouterr().out.splitlines()}


def test_what_is_missing_is_said_before_anything_is_made(monkeypatch, capsys, made):
    def missing(*_):
        raise NotMade("missing: runc")

    monkeypatch.setattr(command, "need", missing)
    assert command.main(["check"]) == 1
    assert capsys.readouterr().err == "missing: runc\n"
    assert made == []
