"""Packages and secrets: opened only with every key, and only as they were sealed."""

import base64
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.types import EndpointId
from services.chassis.decision import Refusal
from services.chassis.keys.sealing import KeyFile, Tampered
from services.delivery.domain import Delivery
from services.delivery.gateways.packages import ERASED, NO_SUCH_MEMBER, REMOVED, Document, Packages, member
from services.delivery.gateways.signing import EndpointSecrets
from tests.delivery.scene import DIGEST, PACKAGE, STUDENT, opened
from tests.delivery.sealed import Sealed, own_key

END = EndpointId("end_main")


@pytest.fixture
async def sealed(tmp_path: Path) -> Sealed:
    return await Sealed.make(tmp_path, opened())


async def test_the_package_comes_out_byte_for_byte_with_its_digest(sealed: Sealed) -> None:
    found = await sealed.packages.fetch(sealed.delivery)
    assert isinstance(found, Document)
    assert found.content == PACKAGE
    raw = base64.b64decode(found.digest_header.removeprefix("sha-256=:").removesuffix(":"))
    assert f"sha256:{raw.hex()}" == DIGEST


async def test_a_person_who_was_erased_shuts_every_package(sealed: Sealed) -> None:
    await sealed.keys.erase(STUDENT)
    assert await sealed.packages.fetch(sealed.delivery) == ERASED


async def test_a_package_that_is_no_longer_kept_is_said_to_be_gone(sealed: Sealed) -> None:
    await sealed.vault.remove(sealed.delivery.place)
    assert await sealed.packages.fetch(sealed.delivery) == REMOVED


OTHERS = {
    "another request": opened(request_id="req_2"),
    "another package id": opened(package_id="pkg_2"),
    "another digest": opened(package_digest="sha256:" + "0" * 64),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
async def test_a_sealed_key_opens_nothing_for(sealed: Sealed, other: Delivery) -> None:
    with pytest.raises(Tampered):
        await sealed.packages.fetch(replace(other, sealed_key=sealed.delivery.sealed_key))


async def test_another_services_key_opens_nothing(sealed: Sealed, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    foreign = Packages(sealed.vault, sealed.keys, own_key(tmp_path / "other"))
    with pytest.raises(Tampered):
        await foreign.fetch(sealed.delivery)


async def test_bytes_changed_in_the_vault_are_never_handed_over(sealed: Sealed) -> None:
    laid = await sealed.vault.fetch(sealed.delivery.place)
    await sealed.vault.remove(sealed.delivery.place)
    await sealed.vault.lay(sealed.delivery.place, laid[:-1] + bytes([laid[-1] ^ 1]))
    with pytest.raises(Tampered):
        await sealed.packages.fetch(sealed.delivery)


MEMBERS = {
    "transcript.pdf": ("transcript.pdf", "application/pdf"),
    "credential.vc.jwt": ("credential.vc.jwt", "application/vc+jwt"),
    "manifest.json": ("manifest.json", "application/json"),
    "evidence/ev-1-photo.png": ("ev-1-photo.png", "image/png"),
}
ARCHIVE = Document("transcript.zip", "application/zip", PACKAGE)


@pytest.mark.parametrize(("name", "expected"), MEMBERS.items())
def test_a_file_of_the_package_comes_with_its_media_type(name: str, expected: tuple[str, str]) -> None:
    found = member(ARCHIVE, name)
    assert isinstance(found, Document)
    assert (found.name, found.media_type) == expected


@pytest.mark.parametrize(
    "name", ["", "nothing.pdf", "../transcript.pdf", "evidence/", "TRANSCRIPT.PDF", "/transcript.pdf"]
)
def test_there_is_no_file(name: str) -> None:
    assert member(ARCHIVE, name) == NO_SUCH_MEMBER


def test_a_type_that_nobody_knows_is_plain_bytes() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("evidence/thing.zzz", b"x")
    found = member(replace(ARCHIVE, content=buffer.getvalue()), "evidence/thing.zzz")
    assert isinstance(found, Document)
    assert found.media_type == "application/octet-stream"


def test_what_is_no_archive_is_not_handed_over() -> None:
    with pytest.raises(Tampered):
        member(replace(ARCHIVE, content=b"not a zip"), "transcript.pdf")
    assert not isinstance(member(ARCHIVE, "transcript.pdf"), Refusal)


def test_a_secret_is_shown_once_and_opens_for_its_endpoint_alone(tmp_path: Path) -> None:
    secrets = EndpointSecrets(own_key(tmp_path))
    drawn = secrets.draw(END)
    assert drawn.spelled.startswith("whsec_")
    assert base64.b64decode(drawn.spelled.removeprefix("whsec_")) == secrets.open(END, drawn.sealed)
    assert secrets.open(END, drawn.sealed) == secrets.open(END, drawn.sealed)
    with pytest.raises(Tampered):
        secrets.open(EndpointId("end_other"), drawn.sealed)


def test_no_two_secrets_are_alike(tmp_path: Path) -> None:
    secrets = EndpointSecrets(own_key(tmp_path))
    assert len({secrets.draw(END).spelled for _ in range(20)}) == 20
    assert isinstance(own_key(tmp_path), KeyFile)
