"""`python -m deploy.image.container BUNDLE NAME WORD…`: one process of the image, held as the chart's pods are held.

Invariants: the image's own user and nothing that could become another (no capability, no new privileges); its root can
only be read, and /tmp is its own; keys and certificates arrive as a mounted Secret does, in /etc/placet, for its group
alone. The network is the machine's: it is a house on loopback that the process talks to. A signal to this process
reaches the container, whose exit code is ours.
"""

import json
import os
import platform
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

NOBODY = 65532
"""User and group of the image, and of the chart's pods."""
_TOLD = ("PLACET_", "KAFKA_", "SMTP_URL", "VAULT_URL", "OTEL_")
"""Variables that are handed in; all others are this machine's own business."""
_SECCOMP = Path("/usr/share/containers/seccomp.json")
"""What engines call their default profile; Debian's buildah brings it along."""
_ARCHITECTURES = {"x86_64": ("amd64", "SCMP_ARCH_X86_64"), "aarch64": ("arm64", "SCMP_ARCH_AARCH64")}
"""The machine's name, as profiles and as the runtime know it."""
_SECRETS = "/etc/placet"
_VAULT = "/var/placet/vault"


def inner(env: Mapping[str, str], secrets: Path) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """What a process in the container is told instead of `env`, and what is mounted so that it is true.

    Copies keys and certificates to `secrets`, readable for the group; gives a vault that is a folder to the container.
    """
    told = {name: value for name, value in env.items() if name.startswith(_TOLD)}
    # Traces go to a collector or nowhere: no pod has a file for them.
    told.pop("PLACET_TRACES_FILE", None)
    for name, path in _files(told):
        place = secrets / name
        shutil.copytree(path, place) if path.is_dir() else _copy(path, place)
        # In an address it is written with %2F.
        for written in (str(path), quote(str(path), safe="")):
            told = {key: value.replace(written, f"{_SECRETS}/{name}") for key, value in told.items()}
    _give(secrets, folder=0o750, file=0o440)
    mounts = [_bind(secrets, _SECRETS, "ro")]
    if told.get("VAULT_URL", "").startswith("file://"):
        vault = Path(unquote(urlsplit(told["VAULT_URL"]).path))
        _give(vault, folder=0o770, file=0o660)
        told["VAULT_URL"] = f"file://{_VAULT}"
        mounts.append(_bind(vault, _VAULT, "rw"))
    return told, mounts


def _files(told: Mapping[str, str]) -> list[tuple[str, Path]]:
    """Where the chart mounts what, and where it is on this machine."""
    found = []
    if "PLACET_KEYS_FOLDER" in told:
        found.append(("keys", Path(told["PLACET_KEYS_FOLDER"])))
    if "PLACET_KAFKA_CAFILE" in told:
        found.append(("kafka/ca.crt", Path(told["PLACET_KAFKA_CAFILE"])))
    addresses = [value for name, value in told.items() if name.startswith("PLACET_MONGODB_")]
    files = {unquote(file) for address in addresses for file in parse_qs(urlsplit(address).query).get("tlsCAFile", [])}
    return [*found, *(("mongodb/ca.crt", Path(file)) for file in sorted(files))]


def _copy(path: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, place)


def _give(place: Path, *, folder: int, file: int) -> None:
    """Give a tree to the container's group, as the kubelet does with `fsGroup`."""
    for path in (place, *place.rglob("*")):
        os.chown(path, -1, NOBODY)
        path.chmod(folder if path.is_dir() else file)


def _bind(source: Path, destination: str, mode: str) -> dict[str, Any]:
    options = ["rbind", mode, "nosuid", "nodev", "noexec"]
    return {"destination": destination, "type": "bind", "source": str(source), "options": options}


def settings(made: dict[str, Any], root: Path, words: list[str], env: Mapping[str, str]) -> dict[str, Any]:
    """The runtime's settings (OCI runtime specification 1.0) out of those that the image itself makes.

    User, folder and variables stay the image's: were it root's, the process would be root.
    """
    process = made["process"]
    # What umoci gives is ENTRYPOINT and CMD; there is no CMD.
    process["args"] = [*process["args"], *words]
    process["env"] = [*process["env"], *(f"{name}={value}" for name, value in env.items())]
    process["terminal"], process["noNewPrivileges"] = False, True
    made["linux"]["seccomp"] = seccomp(json.loads(_SECCOMP.read_text()), _ARCHITECTURES[platform.machine()])
    process["capabilities"] = {kind: [] for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")}
    made["root"] = {"path": str(root), "readonly": True}
    spaces = [space for space in made["linux"]["namespaces"] if space["type"] not in {"network", "cgroup", "user"}]
    made["linux"]["namespaces"] = spaces
    mode = ["nosuid", "nodev", "noexec", "mode=1777", "size=256m"]
    made["mounts"] += [{"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": mode}]  # noqa: S108  the pod's own
    made["mounts"] += [_bind(Path(name), name, "ro") for name in ("/etc/hosts", "/etc/resolv.conf")]
    return made


def seccomp(profile: dict[str, Any], architecture: tuple[str, str]) -> dict[str, Any]:
    """A profile as engines keep it, as the runtime takes it: for this architecture, and for who has no capability."""
    name, known = architecture
    more = [one["subArchitectures"] for one in profile["archMap"] if one["architecture"] == known]
    rules = []
    for rule in profile["syscalls"]:
        included, excluded = rule.get("includes") or {}, rule.get("excludes") or {}
        foreign = name not in included.get("arches", [name]) or name in excluded.get("arches", [])
        if not foreign and not included.get("caps"):
            rules.append({key: rule[key] for key in ("names", "action", "args", "errnoRet") if rule.get(key)})
    return {
        "defaultAction": profile["defaultAction"],
        "defaultErrnoRet": profile["defaultErrnoRet"],
        "architectures": [known, *(one for group in more for one in group or [])],
        "syscalls": rules,
    }


def prepare(bundle: Path, name: str, words: list[str], env: Mapping[str, str]) -> Path:
    """Lay a bundle for one process beside the unpacked image, whose root all share, and return it."""
    place = bundle.parent / "pods" / name
    shutil.rmtree(place, ignore_errors=True)
    (place / "etc").mkdir(parents=True)
    told, mounts = inner(env, place / "etc")
    made = settings(json.loads((bundle / "config.json").read_text()), bundle / "rootfs", words, told)
    made["mounts"] += mounts
    (place / "config.json").touch(mode=0o600)
    (place / "config.json").write_text(json.dumps(made, indent=1))
    return place


def command(bundle: Path, name: str, place: Path) -> list[str]:
    """How the runtime is told to run it."""
    return ["runc", "--root", str(bundle.parent / "runc"), "run", "--bundle", str(place), f"placet-image-{name}"]


def main(arguments: list[str], env: Mapping[str, str] = os.environ) -> None:
    """Become the runtime."""
    bundle, name, *words = arguments
    place = prepare(Path(bundle), name, words, env)
    words = command(Path(bundle), name, place)
    os.execvp(words[0], words)  # noqa: S606  no shell is the point


if __name__ == "__main__":
    main(sys.argv[1:])
