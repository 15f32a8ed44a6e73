import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from maven_artifact import RequestException

from deploy.local import fetch
from deploy.local.fetch import Jar, NotFetched, kafka_jars, pinned

CONTENT = b"a jar"
JARS = tuple(Jar(hashlib.sha256(CONTENT).hexdigest(), f"org.example:thing{number}:1.0") for number in range(3))


@pytest.fixture
def asked(monkeypatch):
    calls = []

    def download(artifact):
        calls.append(str(artifact))
        return CONTENT

    monkeypatch.setattr(fetch, "_download", download)
    return calls


def test_every_jar_is_pinned_by_a_whole_digest():
    jars = pinned()
    assert len(jars) == 46
    assert all(len(jar.sha256) == 64 for jar in jars)
    assert len({jar.file for jar in jars}) == len(jars)


def test_a_first_run_fetches_all_and_a_second_touches_no_network(asked, tmp_path):
    said: list[str] = []
    paths = fetch.fetch(JARS, tmp_path, say=said.append)
    assert [path.read_bytes() for path in paths] == [CONTENT] * 3
    assert len(asked) == 3
    assert any("once" in line for line in said)
    assert fetch.fetch(JARS, tmp_path) == paths
    assert len(asked) == 3


def test_two_runs_at_once_fetch_once(asked, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: fetch.fetch(JARS, tmp_path), range(2)))
    assert len(asked) == 3


def test_a_jar_with_another_digest_is_thrown_away_and_named(asked, tmp_path):
    wrong = (Jar("0" * 64, "org.example:thing:1.0"),)
    with pytest.raises(NotFetched, match=r"org\.example:thing:1\.0 has SHA-256 .* thrown away"):
        fetch.fetch(wrong, tmp_path)
    assert list(tmp_path.glob("*.jar")) == []


def test_a_broken_network_says_what_to_do(monkeypatch, tmp_path):
    def refuse(_artifact):
        raise RequestException("no route")

    monkeypatch.setattr(fetch, "_download", refuse)
    with pytest.raises(NotFetched, match="KAFKA_HOME"):
        fetch.fetch(JARS, tmp_path)


def test_an_installed_kafka_replaces_the_cache(monkeypatch, tmp_path):
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / "kafka.jar").touch()
    monkeypatch.setenv("KAFKA_HOME", str(tmp_path))
    assert kafka_jars() == (tmp_path / "libs" / "kafka.jar",)


def test_an_empty_kafka_home_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("KAFKA_HOME", str(tmp_path))
    with pytest.raises(NotFetched, match="KAFKA_HOME"):
        kafka_jars()
