"""The last step of the build, inside it: bytecode, bill of materials, licences. The standard library is all it needs.

Invariants: the same inputs give the same bytes (no time, no address, no order of a folder); a file whose bytecode can't
be made is told, and a file of ours ends the build.
"""

import json
import os
import py_compile
import re
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

BUILD = Path("/build")
BASE = Path("/base")
"""The root of the base that will run, mounted."""
CODE = Path("/srv/placet")
_LONGEST_NAME = 100
"""Some packages put the licence's whole text where its name should stand."""


@dataclass(frozen=True, slots=True)
class Locked:
    """One package of the lock file, and who asks for it (`placet` is this project)."""

    name: str
    version: str
    wanted_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Installed:
    """One package as it lies in the image."""

    name: str
    version: str
    licence: str


def locked(text: str) -> tuple[Locked, ...]:
    """The packages of a lock file as uv writes it: `name==version`, hashes, and `# via` who wants it."""
    found: list[Locked] = []
    for line in text.splitlines():
        pinned = re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", line)
        wanted = re.match(r"    #(?: via)?\s+([A-Za-z0-9._-]+)", line)
        if pinned:
            found.append(Locked(normal(pinned[1]), index_version(pinned[2]), ()))
        elif wanted and wanted[1] != "via" and found:
            last = found[-1]
            found[-1] = Locked(last.name, last.version, (*last.wanted_by, normal(wanted[1])))
    return tuple(found)


def normal(name: str) -> str:
    """A package's name as an index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def index_version(version: str) -> str:
    """A version as an index writes it (PEP 440): some packages call themselves 2.012 where it is 2.12."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", version)


def installed() -> tuple[Installed, ...]:
    """What lies beside this interpreter, in the order of names."""
    found = [Installed(normal(one.name), index_version(one.version), licence_of(one)) for one in distributions()]
    return tuple(sorted(found, key=lambda one: one.name))


def licence_of(one: Distribution) -> str:
    """What a package says of its licence: an SPDX expression, else a name, else its classifier; else `unknown`."""
    said = one.metadata
    for field in ("License-Expression", "License"):
        text = str(said[field] or "").strip()
        if text and "\n" not in text and len(text) <= _LONGEST_NAME and text.upper() != "UNKNOWN":
            return text
    classes = [line.rpartition(" :: ")[2] for line in said.get_all("Classifier") or [] if line.startswith("License ::")]
    return " and ".join(classes) or "unknown"


def debian(base: Path) -> Iterator[Mapping[str, str]]:
    """Package, Version and Architecture of each Debian package of a base, where it says (as distroless ones do)."""
    places = [base / "var/lib/dpkg/status", *sorted((base / "var/lib/dpkg/status.d").glob("*"))]
    for place in places:
        text = place.read_text(errors="replace") if place.is_file() else ""
        for paragraph in text.split("\n\n"):
            fields = dict(re.findall(r"^(Package|Version|Architecture): (.+)$", paragraph, re.MULTILINE))
            if len(fields) == 3:
                yield fields


def bill(
    packages: Sequence[Installed],
    lock: Sequence[Locked],
    digests: Mapping[str, str],
    base: Sequence[Mapping[str, str]],
    version: str,
) -> dict[str, Any]:
    """The bill of materials (CycloneDX 1.6): every wheel by its digest, every package of the base, who needs what."""
    known = {one.name: f"pkg:pypi/{one.name}@{one.version}" for one in packages}
    needs: dict[str, list[str]] = {"placet": [], **{reference: [] for reference in known.values()}}
    for one in lock:
        for who in one.wanted_by:
            if one.name in known:
                needs["placet" if who == "placet" else known[who]].append(known[one.name])
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": _ourselves(version)},
        "components": [_wheel(one, digests) for one in packages] + [_package(one) for one in base],
        "dependencies": [{"ref": who, "dependsOn": sorted(what)} for who, what in needs.items()],
    }


def _ourselves(version: str) -> dict[str, Any]:
    licences = [{"license": {"id": "Apache-2.0"}}]
    return {"type": "application", "bom-ref": "placet", "name": "placet", "version": version, "licenses": licences}


def _wheel(one: Installed, digests: Mapping[str, str]) -> dict[str, Any]:
    address = f"pkg:pypi/{one.name}@{one.version}"
    return {
        "type": "library",
        "bom-ref": address,
        "name": one.name,
        "version": one.version,
        "purl": address,
        "hashes": [{"alg": "SHA-256", "content": digests[one.name]}],
        "licenses": [{"license": {"name": one.licence}}],
    }


def _package(fields: Mapping[str, str]) -> dict[str, Any]:
    name, version = fields["Package"], fields["Version"]
    address = f"pkg:deb/debian/{name}@{version.replace('+', '%2B')}?arch={fields['Architecture']}"
    return {"type": "library", "bom-ref": address, "name": name, "version": version, "purl": address}


def licences(packages: Sequence[Installed]) -> str:
    """The list for people; whole texts lie with each package (`*.dist-info`, /usr/share/doc/*/copyright)."""
    lines = [f"{one.name} {one.version}: {one.licence}" for one in packages]
    return "\n".join(["Placet: Apache-2.0, in LICENSE", "", *lines, ""])


def compile_tree(sources: Path, into: Path, shown: Path) -> Iterator[Path]:
    """Bytecode of all `sources` below `into`, as if they lay in `shown`; yields the files that could not be compiled.

    It is never held against its source (PEP 552, unchecked hash): the file system is read only, and a time of
    change would make the image another at each build. In one process and in order, or it would differ too.
    """
    for source in sorted(sources.rglob("*.py")):
        inner = source.relative_to(sources)
        target = into / inner.parent / "__pycache__" / f"{source.stem}.{sys.implementation.cache_tag}.pyc"
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            py_compile.compile(
                str(source),
                cfile=str(target),
                dfile=str(shown / inner),
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        except (py_compile.PyCompileError, UnicodeDecodeError):
            yield source


def open_to_all(folder: Path) -> None:
    """Let everybody read and nobody but root write, whatever the umask of who cloned the repository was."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(0o755 if path.is_dir() or mode & 0o100 else 0o644)


def main(env: Mapping[str, str] = os.environ) -> None:
    """Do all of it."""
    library, packages = (Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib"))
    theirs = BASE / library.relative_to("/")
    if not (theirs / "os.py").is_file():
        sys.exit(f"RUN_BASE has no {library}: both bases must hold the same Python 3.11 at the same path")
    broken = [*compile_tree(CODE, CODE, CODE)]
    if broken:
        sys.exit(f"can't be compiled: {', '.join(map(str, broken))}")
    # Templates for other Pythons lie in some packages and are never imported.
    skipped = [*compile_tree(packages, packages, packages), *compile_tree(theirs, BUILD / "out/stdlib", library)]
    print(f"no bytecode for {', '.join(map(str, skipped))}" if skipped else "bytecode of every file")
    report = json.loads((BUILD / "report.json").read_text())
    digests = {
        normal(one["metadata"]["name"]): one["download_info"]["archive_info"]["hash"].removeprefix("sha256=")
        for one in report["install"]
    }
    here, lock = installed(), locked((BUILD / "requirements.lock").read_text())
    made = bill(here, lock, digests, [*debian(BASE)], env.get("VERSION", "0"))
    documents = BUILD / "out/doc"
    documents.mkdir(parents=True)
    (documents / "sbom.cdx.json").write_text(json.dumps(made, indent=1) + "\n")
    (documents / "licences.txt").write_text(licences(here))
    (documents / "LICENSE").write_bytes((BUILD / "LICENSE").read_bytes())
    for folder in (CODE, packages, BUILD / "out"):
        open_to_all(folder)


if __name__ == "__main__":
    main()
