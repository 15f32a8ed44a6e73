"""`placet keys list | announce | use | rewrap | retire`: a key takes another's place while everything goes on.

Works on the keys of a house on this machine, or, with `--keys`, on those that `deploy.helm.secrets` drew for a cluster.
What each step means, and how long to wait between two, is in `deploy/runbooks/rotate-keys.md` and `rotate-master-key.md`.
"""

import asyncio
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from bson.binary import UUID_SUBTYPE, Binary
from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient
from pymongo.asynchronous.encryption import AsyncClientEncryption
from pymongo.errors import EncryptionError, PyMongoError

from deploy.cli.access import HOME, Access, Folder
from deploy.cli.printing import console, fail, listing, plain
from deploy.local import rotating
from deploy.local.rotating import MASTER, NAMES, NotRotated
from services.chassis.keys.person import DATABASE, MASTER_KEY_FILE, VAULT, local_kms
from services.chassis.keys.sealing import KeysUnreadable

app = typer.Typer(help="Keys: which there are, and a new one in another's place.", no_args_is_help=True)
Keys = Annotated[Path | None, typer.Option("--keys", help="The folder of the keys, where it is not the house's own.")]
Name = Annotated[str, typer.Argument(help="Whose: one of " + ", ".join(NAMES))]

_BATCH = 500
"""Keys rewrapped with one write: half a megabyte."""


@app.command("list")
def list_keys(keys: Keys = None, folder: Folder = HOME) -> None:
    """Show every key without its secret: `signs`, `opens` or `wraps` is the one in use."""
    with _told():
        found = rotating.kept(keys or folder / "keys")
    table = listing("whose", "key", "use, kind, drawn", folding="use, kind, drawn")
    for one in found:
        table.add_row(one.name, one.key_id, f"{one.use} {one.kind}" + (f" {one.drawn:%Y-%m-%d}" if one.drawn else ""))
    console.print(table)


@app.command("announce")
def announce(name: Name, keys: Keys = None, folder: Folder = HOME) -> None:
    """Draw a new key and let everybody know it. Nobody uses it yet."""
    with _told():
        made = rotating.announce(keys or folder / "keys", name)
    console.print(f"Announced for {name}: {', '.join(made)}. When everybody has it: `placet keys use {name}`.")


@app.command("use")
def use(name: Name, keys: Keys = None, folder: Folder = HOME) -> None:
    """Use the announced key from now on. The old ones go on verifying and opening."""
    with _told():
        used = rotating.use(keys or folder / "keys", name)
    console.print(f"In use for {name}: {', '.join(used)}.")


@app.command("retire")
def retire(
    name: Name,
    key_id: Annotated[str, typer.Argument(help="The key, as `placet keys list` shows it.")],
    public: Annotated[
        bool, typer.Option("--public", help="Its public half too: what it signed is believed no longer.")
    ] = False,
    keys: Keys = None,
    folder: Folder = HOME,
) -> None:
    """Take a key away that is no longer used. Of the master: only when nobody's key lies under it any more."""
    with _told():
        if name == MASTER:
            left = asyncio.run(_under(Access.find(folder), key_id))
            if left:
                raise NotRotated(f"{left} keys of persons still lie under {key_id}: `placet keys rewrap` first")
        rotating.retire(keys or folder / "keys", name, key_id, public=public)
    console.print(f"Retired: {key_id} of {name}." + _BACKUPS * (name == MASTER))


_BACKUPS = " Backups of before hold keys that lie under it: keep it where you keep them, for as long as you keep them."


@app.command("rewrap")
def rewrap(keys: Keys = None, folder: Folder = HOME) -> None:
    """Wrap the key of every person anew, under the master key in use. No person's key and no ciphertext changes.

    With a key service (PLACET_KMS_PROVIDERS, and PLACET_KMS_MASTER_KEY) in the environment, under its key. Again and again without harm.
    """
    with _told():
        count, provider = asyncio.run(_rewrap(Access.find(folder), keys or folder / "keys"))
    console.print(f"{count} keys of persons lie under {provider} now.")


def _providers(keys: Path) -> tuple[Mapping[str, Any], Mapping[str, Any] | None]:
    """`kmsProviders` and `masterKey`, as the services have them."""
    said = os.environ.get("PLACET_KMS_PROVIDERS")
    if said:
        return json.loads(said), json.loads(os.environ.get("PLACET_KMS_MASTER_KEY", "null"))
    return local_kms(keys / MASTER_KEY_FILE), None


async def _rewrap(access: Access, keys: Path) -> tuple[int, str]:
    """In batches, each with one write: whoever is erased meanwhile stays erased, for nothing is written but what is there."""
    kms, master_key = _providers(keys)
    provider, count, last = next(iter(kms)), 0, Binary(bytes(16), UUID_SUBTYPE)
    options: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)
    async with AsyncMongoClient[dict[str, Any]](
        access.mongodb_uri, tz_aware=True, w="majority", journal=True
    ) as client:
        vault = client[DATABASE][VAULT.name]
        encryption: AsyncClientEncryption[dict[str, Any]] = AsyncClientEncryption(
            kms, f"{DATABASE}.{VAULT.name}", client, options
        )
        try:
            while batch := await vault.find({"_id": {"$gt": last}}, {"_id": 1}).sort("_id", 1).limit(_BATCH).to_list():
                ids = [one["_id"] for one in batch]
                await encryption.rewrap_many_data_key({"_id": {"$in": ids}}, provider=provider, master_key=master_key)
                count, last = count + len(ids), ids[-1]
        finally:
            await encryption.close()
    return count, provider


async def _under(access: Access, provider: str) -> int:
    async with AsyncMongoClient[dict[str, Any]](access.mongodb_uri) as client:
        # Counted by reading: the operator may find, and nothing else is needed.
        return await client[DATABASE][VAULT.name].count_documents({"masterKey.provider": provider})


@contextmanager
def _told() -> Iterator[None]:
    """What keeps a step from being made, as one sentence."""
    try:
        yield
    except (NotRotated, KeysUnreadable) as why:
        raise fail(str(why)) from None
    except EncryptionError as why:
        raise fail(f"a person's key does not open under the master keys given: {plain(why, most=300)}") from None
    except PyMongoError as why:
        raise fail(f"the key vault can't be reached as the operator: {plain(why, most=300)}") from None
