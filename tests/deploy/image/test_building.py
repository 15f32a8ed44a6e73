"""How buildah is told to build. That it builds is seen by `make image-check`."""

import itertools
from pathlib import Path

import pytest

from deploy.image import building
from deploy.image.building import Bases, Plan, Workshop

OWN = Bases("localhost/build", "localhost/run", own=True)
PLAN = Plan(OWN, "0.1.0", "abc-dirty", "")


@pytest.fixture
def said(monkeypatch) -> list[list[str]]:
    """The commands, which are written down and not run."""
    commands: list[list[str]] = []

    def write_down(words, **_):
        commands.append([str(word) for word in words])
        for before, name in itertools.pairwise(words):
            if before == "--digestfile":
                Path(name).write_text("sha256:abc\n")
            if str(name).endswith("-base.tar") and before == "bookworm":
                Path(name).touch()
        return "working-container\n"

    monkeypatch.setattr(building, "run", write_down)
    monkeypatch.setattr(building, "need", lambda *_: None)
    return commands


def build_words(commands: list[list[str]]) -> list[str]:
    (words,) = [command for command in commands if "bud" in command]
    return words


def test_a_build_says_its_digest(said, tmp_path):
    assert Workshop(tmp_path).build(PLAN) == "sha256:abc"


def test_a_build_has_no_time_and_no_cache_and_pulls_nothing_when_the_bases_are_ours(said, tmp_path):
    Workshop(tmp_path).build(PLAN)
    words = build_words(said)
    assert {"--timestamp=0", "--no-cache", "--pull-never", "--format=oci"} <= {*words}
    assert f"--build-arg=RUN_BASE={OWN.run}" in words


def test_given_bases_are_pulled(said, tmp_path):
    given = Bases("registry/build@sha256:1", "registry/run@sha256:2")
    Workshop(tmp_path).build(Plan(given, "1", "abc", "https://code.example/placet"))
    words = build_words(said)
    assert "--pull" in words
    assert "--build-arg=BUILD_BASE=registry/build@sha256:1" in words
    assert "--build-arg=SOURCE=https://code.example/placet" in words


def test_the_label_says_what_was_planned(said, tmp_path):
    Workshop(tmp_path).build(PLAN)
    assert {"--build-arg=VERSION=0.1.0", "--build-arg=REVISION=abc-dirty", "--build-arg=SOURCE="} <= {
        *build_words(said)
    }


def test_a_plan_is_of_a_copy_of_the_clone_that_two_builds_share(said, tmp_path):
    workshop = Workshop(tmp_path)
    plan = workshop.plan(OWN, source="https://code.example/placet")
    assert (tmp_path / "context/services/consent/app.py").is_file()
    assert (plan.bases, plan.version, plan.source) == (OWN, "0.1.0", "https://code.example/placet")
    workshop.build(plan)
    first = build_words(said)
    said.clear()
    workshop.build(plan, "again")
    assert first[-1] == build_words(said)[-1] == str(tmp_path / "context")
    assert [word for word in first if word.startswith("--")] == [
        word for word in build_words(said) if word.startswith("--")
    ]


def test_a_build_leaves_nothing_mounted_and_no_step_behind(said, tmp_path):
    Workshop(tmp_path).build(PLAN)
    at = next(at for at, words in enumerate(said) if "push" in words)
    assert [words[7:9] for words in said[at + 1 :]] == [["rm", "--all"], ["rmi", "--force"], ["rmi", "--prune"]]


def test_an_old_layout_goes_when_a_new_one_is_planned(said, tmp_path):
    (tmp_path / "oci").mkdir()
    Workshop(tmp_path).plan(OWN)
    assert not (tmp_path / "oci").exists()


def test_the_machines_own_images_are_left_alone(said, tmp_path):
    Workshop(tmp_path).make_bases()
    Workshop(tmp_path).build(PLAN)
    for words in said:
        if words[0] == "buildah":
            assert words[1:5] == ["--root", str(tmp_path / "storage"), "--runroot", str(tmp_path / "run")]


def test_the_base_that_runs_is_extracted_without_a_shell_and_says_its_packages(said, tmp_path):
    bases = Workshop(tmp_path).make_bases()
    assert bases.own
    build, running = (words for words in said if words[0] == "mmdebstrap")
    assert "--variant=essential" in build
    assert "--variant=extract" in running
    (packages,) = [word for word in running if word.startswith("--include=")]
    assert not {"bash", "dash", "coreutils", "apt"} & {*packages.removeprefix("--include=").split(",")}
    assert any("status.d" in word for word in running)


def test_an_unpacked_image_replaces_the_last_one(said, tmp_path):
    (tmp_path / "bundle/rootfs").mkdir(parents=True)
    assert Workshop(tmp_path).unpack() == tmp_path / "bundle"
    assert not (tmp_path / "bundle").exists()
    assert said == [["umoci", "unpack", "--image", f"{tmp_path / 'oci'}:placet", str(tmp_path / "bundle")]]
