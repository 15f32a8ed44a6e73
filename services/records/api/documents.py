"""How documents leave: exactly the bytes of the package, with their digest (RFC 9530), never kept by a browser's cache."""

import base64
import hashlib
import io
import zipfile

import orjson
from joserfc.jwk import OKPKey, RSAKey
from starlette.responses import Response

from services.chassis.keys.sealing import KeyFile
from services.records.gateways.packager import key_address


def answer(raw: bytes, media_type: str, *, name: str, inline: bool = False) -> Response:
    """One document. `name` names no person."""
    headers = {
        "content-disposition": f'{"inline" if inline else "attachment"}; filename="{name}"',
        "content-digest": f"sha-256=:{base64.b64encode(hashlib.sha256(raw).digest()).decode()}:",
    }
    return Response(raw, media_type=media_type, headers=headers)


def member_of(package: bytes, name: str) -> bytes:
    """One file of a package whose digest was checked."""
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        return archive.read(name)


def public_keys(keys: KeyFile, public_url: str) -> Response:
    """A JSON Web Key Set in which every `kid` is the address that credentials name."""
    page = f"{public_url.rstrip('/')}/records/keys"
    known = [key for key in keys.keys().keys if isinstance(key, OKPKey | RSAKey)]
    body = {"keys": [{**key.as_dict(private=False), "kid": key_address(page, key)} for key in known]}
    return Response(
        orjson.dumps(body), media_type="application/jwk-set+json", headers={"cache-control": "public, max-age=300"}
    )
