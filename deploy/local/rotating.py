"""Puts a key in another's place in four steps: announce, use, rewrap (the master key only), retire.

A key that is announced is known to whoever verifies or opens, and used by nobody; used, it is the first of its file and
the old ones go on verifying and opening; retired, it is gone. So at no moment does anybody meet a key that they don't
know. Works on the keys folder of a house on this machine, and on the one that `deploy.helm.secrets` made.
"""

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deploy.local.keys import KINDS, MASTER_KEY, Jwk, draw, jwks, lay, public_half
from deploy.local.tls import write_private
from services.chassis import clock
from services.chassis.keys.person import MASTER_KEY_BYTES, local_kms
from services.chassis.keys.sealing import KeysUnreadable

MASTER = "master"
NAMES = (*KINDS, MASTER)
"""What can be rotated: a service's key set, by the service's name, or the local master key."""


class NotRotated(Exception):
    """The step can't be made now; nothing was changed. The text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One key, as it may be shown: no secret in it."""

    name: str
    key_id: str
    kind: str
    drawn: datetime | None
    use: str
    """`signs` (or `opens`, `wraps`): the first of its kind; `known`: announced or former; `public`: only verifies."""


def announce(folder: Path, name: str) -> list[str]:
    """Draw a new key of each kind that `name` has, and let everybody know it. Nobody uses it yet. Returns its ids.

    Raises `NotRotated` when one that was announced waits to be used, or there are no keys in `folder`.
    """
    if name == MASTER:
        lines = _master_lines(folder)
        _nothing_waits(name, [_provider(lines[0])], [max(map(_provider, lines), key=_drawn)])
        made = _draw_master(lines)
        _write_master(folder, [*lines, made])
        return [_provider(made)]
    private, public = _read(folder, name)
    _nothing_waits(name, _first(private), _newest(private))
    # Later than any other, also within one second: the last drawn is what `use` takes.
    drawn = max(int(clock.now().timestamp()), *(_iat(key) + 1 for key in private))
    fresh = [{**draw(kind), "iat": drawn} for kind in KINDS[name]]
    _write(folder, name, [*private, *fresh], [*public, *map(public_half, fresh)])
    return [str(key["kid"]) for key in fresh]


def use(folder: Path, name: str) -> list[str]:
    """Put the newest key of each kind first: it signs from now on (delivery's is sealed to, the master wraps). Its ids."""
    if name == MASTER:
        lines = sorted(_master_lines(folder), key=lambda line: _drawn(_provider(line)), reverse=True)
        _something_waits(name, [_provider(_master_lines(folder)[0])], [_provider(lines[0])])
        _write_master(folder, lines)
        return [_provider(lines[0])]
    private, public = _read(folder, name)
    newest = _newest(private)
    _something_waits(name, _first(private), newest)
    _write(folder, name, _to_front(private, newest), _to_front(public, newest))
    return newest


def retire(folder: Path, name: str, key_id: str, *, public: bool = False) -> None:
    """Take a key away that is no longer used. Its public half goes on verifying, unless `public` is said.

    Raises `NotRotated` for a key that is in use or unknown. It does not ask whether the master key still wraps somebody's
    key, or whether something is still sealed to delivery's: `deploy.cli.keys` does the first, a page the second.
    """
    if name == MASTER:
        lines = _master_lines(folder)
        _may_go(name, key_id, known=[_provider(line) for line in lines], used=[_provider(lines[0])])
        _write_master(folder, [line for line in lines if _provider(line) != key_id])
        return
    private, known = _read(folder, name)
    _may_go(name, key_id, known=[key["kid"] for key in known], used=_first(private))
    left = [key for key in known if key["kid"] != key_id] if public else known
    _write(folder, name, [key for key in private if key["kid"] != key_id], left)


def kept(folder: Path) -> list[Kept]:
    """Every key of the folder, without its secret."""
    found: list[Kept] = []
    for name in KINDS:
        private, public = _read(folder, name)
        first, own = _first(private), {key["kid"]: key for key in private}
        for key in public:
            drawn = _iat(own.get(key["kid"], {}))
            word = "opens" if key.get("use") == "enc" else "signs"
            word = "verifies" if key["kid"] not in own else word if key["kid"] in first else "known"
            found.append(
                Kept(name, key["kid"], _kind(key), datetime.fromtimestamp(drawn, UTC) if drawn else None, word)
            )
    for number, line in enumerate(_master_lines(folder)):
        drawn = _drawn(_provider(line))
        when = datetime.fromtimestamp(drawn, UTC) if drawn else None
        found.append(Kept(MASTER, _provider(line), "AES-256", when, "known" if number else "wraps"))
    return found


def _nothing_waits(name: str, used: Collection[str], newest: Collection[str]) -> None:
    if set(used) != set(newest):
        raise NotRotated(f"a new key of {name} is announced already: `placet keys use {name}`, or retire it")


def _something_waits(name: str, used: Collection[str], newest: Collection[str]) -> None:
    if set(used) == set(newest):
        raise NotRotated(f"no new key of {name} is announced: `placet keys announce {name}` first")


def _may_go(name: str, key_id: str, *, known: Collection[str], used: Collection[str]) -> None:
    if key_id in used:
        raise NotRotated(f"{key_id} is the key of {name} that is in use: use another one first")
    if key_id not in known:
        raise NotRotated(f"{name} has no key {key_id}: `placet keys list` shows what there is")


def _kind(key: Jwk) -> str:
    return str(key.get("crv", key["kty"]))


def _iat(key: Jwk) -> int:
    """When it was drawn, as Unix time. A key that does not say so is older than all that do."""
    return int(key.get("iat", 0))


def _first(keys: Sequence[Jwk]) -> list[str]:
    """The first of each kind: the one that is used."""
    return list({_kind(key): str(key["kid"]) for key in reversed(keys)}.values())


def _newest(keys: Sequence[Jwk]) -> list[str]:
    """The last drawn of each kind."""
    return list({_kind(key): str(key["kid"]) for key in sorted(keys, key=_iat)}.values())


def _to_front(keys: Sequence[Jwk], key_ids: Collection[str]) -> list[Jwk]:
    return sorted(keys, key=lambda key: key["kid"] not in key_ids)


def _read(folder: Path, name: str) -> tuple[list[Jwk], list[Jwk]]:
    """The private and the public keys of a set."""
    if name not in KINDS:
        raise NotRotated(f"there are no keys of {name!r}: it is one of {', '.join(NAMES)}")
    paths = [folder / f"{name}.{half}.jwks.json" for half in ("private", "public")]
    try:
        private, public = (json.loads(path.read_bytes())["keys"] for path in paths)
    except OSError as why:
        raise NotRotated(f"{why.filename} can't be read ({why.strerror}): name the folder of the keys") from None
    return private, public


def _write(folder: Path, name: str, private: Sequence[Jwk], public: Sequence[Jwk]) -> None:
    """The public half first: a step that a crash cut short leaves a key that is known and not used, and can be made again."""
    write_private(folder / f"{name}.public.jwks.json", jwks(public))
    write_private(folder / f"{name}.private.jwks.json", jwks(private))
    lay(folder)


def _draw_master(lines: Sequence[str]) -> str:
    key = secrets.token_bytes(MASTER_KEY_BYTES)
    drawn = max(int(clock.now().timestamp()), *(_drawn(_provider(line)) + 1 for line in lines))
    return f"local:k{drawn}_{hashlib.sha256(key).hexdigest()[:8]} {base64.b64encode(key).decode()}"


def _provider(line: str) -> str:
    """The name that the vault has of a master key: `local`, or the one that stands before it."""
    return line.split(maxsplit=1)[0] if " " in line else "local"


def _drawn(provider: str) -> int:
    """When a master key was drawn, as its name says; 0 for the first, which has no name of its own."""
    found = re.match(r"local:k(\d+)_", provider)
    return int(found[1]) if found else 0


def _master_lines(folder: Path) -> list[str]:
    try:
        local_kms(folder / MASTER_KEY)
    except KeysUnreadable as why:
        raise NotRotated(f"{why}: name the folder of the keys; with a key service, rotate the key there") from None
    return [line.strip() for line in (folder / MASTER_KEY).read_text().splitlines() if line.strip()]


def _write_master(folder: Path, lines: Sequence[str]) -> None:
    write_private(folder / MASTER_KEY, "\n".join(lines).encode())
    lay(folder)
