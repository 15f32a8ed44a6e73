"""The package: everything a recipient gets, in one ZIP whose bytes are the same whenever and wherever it is made.

Invariants: members are stored in the order of their names, uncompressed (so that no zlib version shows), with one
fixed timestamp; `manifest.json` names every other member with its size and SHA-256; evidence goes in only if it
matches the digest that was sealed. Nothing here knows a recipient, a time of release or a policy: those are the grant's.
"""

import hashlib
import io
import re
import unicodedata
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from services.records.domain.content import Evidence, TranscriptContent, content_digest
from services.records.domain.selection import Selected, select
from services.records.gateways.credential import NOTICE, NOTICE_ID, SealFacts, clr_credential
from services.records.gateways.envelopes import IssuerKeys, one_edtech_jwt, vc_jose_jwt, with_proof
from services.records.gateways.page import page
from services.records.gateways.renderer import RENDERER_VERSION, MissingGlyph, RenderJob, RenderPool, render, strings_of

FORMAT = "placet.package/1"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a ZIP can say
_EXTENSIONS = {
    "application/pdf": ".pdf",
    "audio/mpeg": ".mp3",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/svg+xml": ".svg",
    "text/csv": ".csv",
    "text/markdown": ".md",
    "text/plain": ".txt",
    "video/mp4": ".mp4",
}


class EvidenceMismatch(ValueError):
    """A file of evidence is missing or is not the one that was sealed."""


@dataclass(frozen=True)
class Member:
    """One file inside a package."""

    name: str
    media_type: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Package:
    """The bytes that will be released, their digest (`sha256:…`), and what is inside. The manifest is not a member."""

    bytes: bytes
    digest: str
    members: tuple[Member, ...]
    partial: bool


@dataclass(frozen=True)
class Prepared:
    """A package before its page is drawn: signed, and waiting for the slow part."""

    job: RenderJob
    files: tuple[tuple[str, str, bytes], ...]
    header: Mapping[str, Any]


def prepare(
    content: TranscriptContent,
    selection: Collection[str] | None,
    sealed: SealFacts,
    keys: IssuerKeys,
    evidence: Mapping[str, bytes],
    *,
    status: Mapping[str, Any] | None = None,
) -> Prepared:
    """Choose the parts, make and sign the credential, check the evidence: about 10 ms of CPU.

    `selection` is part ids, or None for the whole; `evidence` maps evidence ids to file bytes; `status` is a ready
    `credentialStatus`. Raises `ContentRejected` for an unknown part and `EvidenceMismatch`.
    """
    selected = select(content, selection)
    credential = clr_credential(selected, sealed, status=status)
    proved = orjson.dumps(with_proof(credential, keys))
    files = [
        ("credential.1edtech.jwt", "application/jwt", one_edtech_jwt(credential, keys)),
        ("credential.json", "application/vc+ld+json", proved),
        ("credential.vc.jwt", "application/vc+jwt", vc_jose_jwt(credential, keys)),
        *_evidence_files(selected, evidence),
    ]
    header = {
        "format": FORMAT,
        "kind": content.kind.value,
        "credential_id": credential["id"],
        "transcript_version": sealed.version,
        # A digest of what was left out could be guessed at, level by level: only a whole record carries it.
        **({} if selected.partial else {"content_digest": content_digest(content)}),
        "partial": selected.partial,
        "left_out": sorted({part.kind for part in selected.left_out}),
        "renderer": RENDERER_VERSION,
        "redisclosure_notice": {"id": NOTICE_ID, "text": NOTICE},
    }
    job = RenderJob(orjson.dumps(page(selected, sealed)), proved, int(sealed.sealed_at.timestamp()))
    return Prepared(job, tuple(files), header)


def finish(prepared: Prepared, pdf: bytes) -> Package:
    """Put the drawn page and the rest into the ZIP."""
    files = sorted([*prepared.files, ("transcript.pdf", "application/pdf", pdf)])
    members = tuple(Member(name, kind, len(raw), hashlib.sha256(raw).hexdigest()) for name, kind, raw in files)
    manifest = {
        **prepared.header,
        "members": [
            {"name": each.name, "media_type": each.media_type, "size": each.size, "sha256": each.sha256}
            for each in members
        ],
    }
    listed = orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    raw = _zip([(name, body) for name, _, body in files] + [("manifest.json", listed)])
    digest = "sha256:" + hashlib.sha256(raw).hexdigest()
    return Package(raw, digest, members, partial=bool(prepared.header["partial"]))


def make_package(
    content: TranscriptContent,
    selection: Collection[str] | None,
    sealed: SealFacts,
    keys: IssuerKeys,
    evidence: Mapping[str, bytes],
    *,
    status: Mapping[str, Any] | None = None,
) -> Package:
    """The whole way in this thread: `prepare`, draw, `finish`. Raises what they do, and `MissingGlyph`."""
    prepared = prepare(content, selection, sealed, keys, evidence, status=status)
    try:
        return finish(prepared, render(prepared.job))
    except MissingGlyph as why:
        raise _in_content(why, content) from None


async def make_package_in(
    pool: RenderPool,
    content: TranscriptContent,
    selection: Collection[str] | None,
    *,
    sealed: SealFacts,
    keys: IssuerKeys,
    evidence: Mapping[str, bytes],
    status: Mapping[str, Any] | None = None,
) -> Package:
    """As `make_package`, with the drawing in a process of the pool, so that an event loop goes on meanwhile."""
    prepared = prepare(content, selection, sealed, keys, evidence, status=status)
    try:
        return finish(prepared, await pool.render(prepared.job))
    except MissingGlyph as why:
        raise _in_content(why, content) from None


def safe_name(piece: Evidence) -> str:
    """The name of an evidence file inside the package: its id, a plain form of its name, the extension of its type."""
    plain = unicodedata.normalize("NFKD", piece.name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9._]+", "-", plain).strip("-.")[:60] or "file"
    extension = _EXTENSIONS.get(piece.media_type or "", "")
    if extension and not plain.lower().endswith(extension):
        plain += extension
    return f"evidence/{piece.id}-{plain}"


def _evidence_files(selected: Selected, given: Mapping[str, bytes]) -> list[tuple[str, str, bytes]]:
    files = []
    for number, credit in enumerate(selected.content.credits):
        for place, piece in enumerate(credit.evidence):
            if piece.kind == "link":
                continue
            where = f"credits[{number}].evidence[{place}] ({piece.id})"
            raw = given.get(piece.id)
            if raw is None:
                raise EvidenceMismatch(f"{where}: the file is not there; upload it again before sealing")
            if hashlib.sha256(raw).hexdigest() != piece.sha256:
                raise EvidenceMismatch(f"{where}: the file is not the one whose digest the transcript names")
            files.append((safe_name(piece), piece.media_type or "application/octet-stream", raw))
    return files


def _in_content(why: MissingGlyph, content: TranscriptContent) -> MissingGlyph:
    """Give the place in the content as the registrar wrote it, not in the page made from it."""
    for place, text in strings_of(content.model_dump(mode="json")):
        if why.character in text:
            return MissingGlyph(why.character, place)
    return why


def _zip(files: list[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, raw in sorted(files):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3  # Unix, wherever it is made
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, raw)
    return buffer.getvalue()
