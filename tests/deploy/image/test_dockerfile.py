"""The Dockerfile's facts, which need no build: who runs, what is fetched, what is copied."""

import re

import pytest

from deploy.image.context import ROOT, allowed

DOCKERFILE = ROOT / "deploy/image/Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """Each instruction and its words, continued lines joined."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in text.splitlines() if line.strip()]


def words_of(instruction: str) -> list[str]:
    return [words for name, words in instructions() if name == instruction]


def last_stage() -> list[tuple[str, str]]:
    found = instructions()
    begins = max(at for at, (name, _) in enumerate(found) if name == "FROM")
    return found[begins:]


def test_both_bases_are_given_from_outside_and_have_no_default():
    assert [words for name, words in instructions()[:2]] == ["BUILD_BASE", "RUN_BASE"]
    images = [words.split()[0] for words in words_of("FROM")]
    assert images == ["${RUN_BASE}", "${BUILD_BASE}", "base"]


@pytest.mark.parametrize("instruction", ["RUN", "ENTRYPOINT"])
def test_nothing_is_run_by_a_shell(instruction):
    for words in words_of(instruction):
        command = re.sub(r"^(--\S+ )+", "", words)
        assert command.startswith("["), f"{instruction} {words}"
    assert not words_of("CMD") + words_of("SHELL")


def test_what_runs_last_is_numbered_and_not_root():
    assert [words for name, words in last_stage() if name == "USER"] == ["65532:65532"]


def test_the_arguments_are_a_module_and_its_words():
    assert words_of("ENTRYPOINT") == ['["python", "-m"]']


def test_nothing_comes_from_an_address():
    assert not words_of("ADD")
    assert "://" not in DOCKERFILE.read_text()


def test_packages_come_by_hash_as_wheels_from_the_lock_file_only():
    (install,) = [words for words in words_of("RUN") if '"install"' in words]
    for word in ("--require-hashes", "--only-binary", ":all:", "--requirement"):
        assert f'"{word}"' in install
    lock = (ROOT / "requirements.lock").read_text()
    pinned = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)[1:]
    assert len(pinned) > 50
    assert all("--hash=sha256:" in package for package in pinned)


def test_the_last_stage_runs_nothing_and_takes_files_only_from_the_build():
    names = [name for name, _ in last_stage()]
    assert "RUN" not in names
    assert all(words.startswith("--from=build ") for name, words in last_stage() if name == "COPY")


def test_the_label_says_version_commit_source_and_licence():
    (label,) = words_of("LABEL")
    for key in ("version", "revision", "source", "licenses", "title", "description"):
        assert f"org.opencontainers.image.{key}=" in label


def test_the_health_of_a_pod_is_the_clusters_business():
    assert not words_of("HEALTHCHECK")
    assert not words_of("VOLUME")


def test_what_is_copied_from_the_clone_is_what_the_ignore_file_lets_through():
    assert sorted(words.split()[0] for words in words_of("COPY") if not words.startswith("--")) == sorted(allowed())
