"""A package as records seals it for delivery: encrypted in a vault, its key under the student's key, that under delivery's."""

import base64
import json
from dataclasses import dataclass, replace
from pathlib import Path

from joserfc.jwk import OKPKey

from services.chassis.keys.sealing import KeyFile, content_key, encrypt_package, seal_to
from services.chassis.keys.vault import Vault
from services.delivery.domain import Delivery
from services.delivery.gateways.packages import Packages, release_binding
from tests.delivery.scene import PACKAGE
from tests.support.person_keys import MemoryPersonKeys


def own_key(folder: Path) -> KeyFile:
    """Delivery's key file, made when it is not there."""
    path = folder / "delivery.private.jwks.json"
    if not path.exists():
        key = OKPKey.generate_key("X25519", private=True, auto_kid=True)
        path.write_text(json.dumps({"keys": [key.as_dict(private=True)]}))
    return KeyFile(path)


@dataclass(frozen=True)
class Sealed:
    """What holds a delivery's package, and who opens it."""

    delivery: Delivery
    vault: Vault
    keys: MemoryPersonKeys
    packages: Packages

    @classmethod
    async def make(cls, folder: Path, delivery: Delivery) -> "Sealed":
        own, keys, vault = own_key(folder), MemoryPersonKeys(delivery.student_id), Vault.from_url("memory://")
        key = content_key()
        laid = encrypt_package(key, PACKAGE, package_id=delivery.package_id, digest=delivery.package_digest)
        await vault.lay(delivery.place, laid)
        kept = await keys.seal(delivery.student_id, key)
        wrapped = seal_to(own.public(), base64.b64decode(kept.ciphertext), info=release_binding(delivery))
        return cls(replace(delivery, sealed_key=wrapped), vault, keys, Packages(vault, keys, own))
