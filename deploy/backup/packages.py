"""Copies the packages of one vault into another by their addresses: what lies at an address never changes.

So a copy is made once and is never refreshed; a second run takes up where the first ended. It opens nothing: packages
are ciphertext, and their keys lie elsewhere.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import ObjectStore

from deploy.backup.places import opened

STAGING = "staging/"
"""What a vault on a disk holds for a moment while it lays something: no package."""


class NotCopied(Exception):
    """A vault can't be read or written. One sentence says which, and what to do."""


@dataclass(frozen=True)
class Copied:
    """How many packages were copied, and how many lay there already. `size` in bytes, of those that were copied."""

    copied: int
    there: int
    size: int


async def copy_packages(source: str, target: str) -> Copied:
    """Copy whatever `target` lacks; both are addresses of vaults (`s3://`, `gs://`, `az://`, `file://`) or folders.

    Raises `NotCopied`, also when something of another size lies at an address: then one of the two was tampered with.
    """
    try:
        one, other = opened(source), opened(target)
        known = {path: size async for path, size in _listed(other)}
        copied = there = total = 0
        async for path, size in _listed(one):
            if path in known:
                if known[path] != size:
                    raise NotCopied(f"other bytes lie at {path} in {target}: one of the two vaults was changed")
                there += 1
                continue
            found = await obstore.get_async(one, path)
            try:
                await obstore.put_async(other, path, await found.bytes_async(), mode="create", use_multipart=False)
            except AlreadyExistsError:
                there += 1
                continue
            copied, total = copied + 1, total + size
    except (BaseError, OSError, ValueError) as why:
        raise NotCopied(
            f"packages can't be copied from {source} to {target} ({type(why).__name__}); what was copied stays"
        ) from why
    return Copied(copied, there, total)


async def _listed(store: ObjectStore) -> AsyncIterator[tuple[str, int]]:
    async for page in obstore.list(store):
        for one in page:
            if not one["path"].startswith(STAGING):
                yield one["path"], one["size"]
