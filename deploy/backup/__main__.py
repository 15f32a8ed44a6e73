"""`python -m deploy.backup data | keys | packages`: what each of the chart's three CronJobs runs.

Each lays its own part below `PLACET_BACKUP_URL`, an object store's address, and knows nothing of the others' places:
data and keys each under the name of their kind and moment, packages by their addresses (from `VAULT_URL`). 2 on a wrong
word, 1 on what can't be done.
"""

import asyncio
import os
import sys
from collections.abc import Mapping

from deploy.backup.archive import Kind
from deploy.backup.packages import NotCopied, copy_packages
from deploy.backup.places import NotLaid, Shelf
from deploy.backup.taking import URI, NotTaken, take
from services.chassis import clock

WHERE = "PLACET_BACKUP_URL"


class Missing(Exception):
    """A variable that must be set and is not."""


def main(arguments: list[str], env: Mapping[str, str] = os.environ) -> int:
    """Make one part of a backup, and say what it holds."""
    try:
        match arguments:
            case ["data"] | ["keys"]:
                kind: Kind = "data" if arguments == ["data"] else "keys"
                print(asyncio.run(_archive(kind, _told(env, URI), _told(env, WHERE))))
            case ["packages"]:
                print(asyncio.run(_packages(_told(env, "VAULT_URL"), _told(env, WHERE))))
            case _:
                print("usage: python -m deploy.backup data|keys|packages", file=sys.stderr)
                return 2
    except (Missing, NotTaken, NotLaid, NotCopied) as why:
        print(why, file=sys.stderr)
        return 1
    return 0


async def _archive(kind: Kind, uri: str, url: str) -> str:
    # The moment itself is in the manifest; the name is the begin, so that names sort as backups were taken.
    name = f"{kind}-{clock.now():%Y-%m-%dT%H-%M-%SZ}"
    made = await take(uri, Shelf(url, name), kind)
    return (
        f"{name}: {made.documents} documents, {made.size / 2**20:.1f} MiB, as of {made.taken_at:%Y-%m-%d %H:%M:%S} UTC"
    )


async def _packages(vault: str, url: str) -> str:
    copied = await copy_packages(vault, url)
    return f"packages: {copied.copied} copied ({copied.size / 2**20:.1f} MiB), {copied.there} lay there already"


def _told(env: Mapping[str, str], name: str) -> str:
    if not env.get(name):
        raise Missing(f"{name} is missing")
    return env[name]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
