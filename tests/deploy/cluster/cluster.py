"""The cluster that KUBECONFIG names, asked with kubectl and helm; each test in a namespace of its own.

Invariants: nothing is changed or deleted that these tests did not make, but for nodes without a kubelet, which are
cordoned and set free again; a namespace of ours enforces PodSecurity *restricted*.
"""

import json
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from deploy.helm.generate import RELEASE
from deploy.helm.tools import helm, kubectl
from tests.deploy.chart.rendered import Document

_SECONDS = 360
_RESTRICTED = {
    f"pod-security.kubernetes.io/{what}": value
    for what, value in {"enforce": "restricted", "enforce-version": "latest", "warn": "restricted"}.items()
}


class Refused(Exception):
    """kubectl or helm said no. The text is theirs."""


class Cluster:
    """What there is once in it: its version, its nodes, the kinds it serves."""

    def __init__(self, home: Path) -> None:
        # A user's own plugins and repositories are neither used nor touched.
        self._environment = {**os.environ, **{f"HELM_{what}_HOME": str(home) for what in ("CACHE", "CONFIG", "DATA")}}
        self.spaces: list[str] = []
        """The namespaces that were made."""

    @cached_property
    def minor(self) -> int:
        """The server's version: 1.`minor`."""
        told = json.loads(self._run(kubectl(37), "version", "-o", "json"))
        return int("".join(digit for digit in told["serverVersion"]["minor"] if digit.isdigit()))

    @cached_property
    def is_fake(self) -> bool:
        """Whether every node is kwok's: pods become ready and Jobs complete there, and nothing runs."""
        nodes = self.items("nodes")
        versions = [one["status"].get("nodeInfo", {}).get("kubeletVersion", "") for one in nodes]
        return bool(nodes) and all(version.startswith("kwok") for version in versions)

    @cached_property
    def has_controllers(self) -> bool:
        """Whether more than an API server is there: a namespace gets its account `default` from a controller."""
        return self.comes(lambda: bool(self.items("serviceaccounts", "-n", "default")), seconds=5)

    @property
    def makes_ready(self) -> bool:
        """Whether what is installed becomes ready. Real nodes would pull the image and wait for Kafka and MongoDB."""
        return self.has_controllers and self.is_fake

    def kubectl(self, *words: str | Path, given: Iterable[Document] | None = None) -> str:
        """What kubectl answers; `given` documents are its file. Raises `Refused`."""
        if given is None:
            return self._run(kubectl(self.minor), *words)
        listed = {"apiVersion": "v1", "kind": "List", "items": list(given)}
        return self._run(kubectl(self.minor), *words, "-f", "-", text=json.dumps(listed))

    def post(self, path: str, body: Document) -> str:
        """What the API server answers to a body at a path. Raises `Refused`."""
        return self._run(kubectl(self.minor), "create", "--raw", path, "-f", "-", text=json.dumps(body))

    def helm(self, *words: str | Path, major: int = 4) -> str:
        """What helm answers. Raises `Refused`."""
        return self._run(helm(major), *words)

    def items(self, kind: str, *words: str) -> list[Document]:
        found: list[Document] = json.loads(self.kubectl("get", kind, "-o", "json", *words))["items"]
        return found

    def serves(self) -> set[tuple[str, str]]:
        """Version and kind of everything that the API server knows."""
        table = [line.split() for line in self.kubectl("api-resources", "--no-headers").splitlines()]
        return {(row[-3], row[-1]) for row in table}

    def gone(self, kind: str, *names: str) -> None:
        """Wait until these are deleted. An API server alone can't finish a deletion: there nobody waits."""
        if names and self.has_controllers:
            self.kubectl("wait", kind, *names, "--for=delete", "--timeout=300s")

    @staticmethod
    def comes(true: Callable[[], bool], *, seconds: float = 120) -> bool:
        """Whether something becomes true within so many seconds."""
        until = time.monotonic() + seconds
        while not true():
            if time.monotonic() > until:
                return False
            time.sleep(0.2)
        return True

    def _run(self, program: Path, *words: str | Path, text: str = "") -> str:
        done = subprocess.run(
            [program, *words],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            env=self._environment,
        )
        if done.returncode != 0:
            raise Refused(done.stderr + done.stdout)
        return done.stdout


@dataclass(frozen=True)
class Space:
    """A namespace of ours."""

    cluster: Cluster
    name: str

    @classmethod
    def made_in(cls, cluster: Cluster) -> "Space":
        name = f"placet-test-{secrets.token_hex(4)}"
        made: Document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": _RESTRICTED}}
        cluster.kubectl("create", given=[made])
        cluster.spaces.append(name)
        return cls(cluster, name)

    def remove(self) -> None:
        """With everything in it; `gone` waits for it."""
        self.cluster.kubectl("delete", "namespace", self.name, "--wait=false")

    def kubectl(self, *words: str | Path, given: Iterable[Document] | None = None) -> str:
        return self.cluster.kubectl("-n", self.name, *words, given=given)

    def strictly(self, given: Iterable[Document], *words: str) -> str:
        """Ask whether the API server would take these documents, and know each field. Raises `Refused`."""
        return self.kubectl("create", "--dry-run=server", "--validate=strict", *words, given=given)

    def helm(self, *words: str | Path, major: int = 4) -> str:
        return self.cluster.helm(*words, "-n", self.name, major=major)

    def install(self, chart: Path, *words: str | Path, verb: str = "install", major: int = 4) -> str:
        """Install (or upgrade): with hooks, until everything is ready; or only what there is of objects."""
        return self.helm(verb, RELEASE, chart, *self._patience, *words, major=major)

    def roll_back(self, revision: int) -> str:
        return self.helm("rollback", RELEASE, str(revision), *self._patience)

    @property
    def _patience(self) -> tuple[str, ...]:
        return ("--wait", "--timeout", "300s") if self.cluster.makes_ready else ("--no-hooks",)

    def items(self, kind: str, *words: str) -> list[Document]:
        return self.cluster.items(kind, "-n", self.name, *words)

    def one(self, kind: str, name: str) -> Document:
        found: Document = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return found

    def names(self, kind: str, *words: str) -> set[str]:
        return {one["metadata"]["name"] for one in self.items(kind, *words)}


def is_ready(pod: Mapping[str, Any]) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", []))
