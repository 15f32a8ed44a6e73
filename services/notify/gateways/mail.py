"""A mail as bytes (RFC 5322, 2045–2047). Made by hand from few parts: the library's message takes ten times as long.

Invariant: no value of a header can end its line. A line break or another control character in a name becomes a space;
an address that has one is no address.
"""

import base64
import quopri
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_ATOM = re.compile(r"[A-Za-z0-9 !#$%&'*+\-/=?^_`{|}~]*")
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+(\.[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+)*")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_WORD_BYTES = 42
"""Bytes of text in one encoded word: 56 of base64 and 12 of frame, within the 75 that RFC 2047 allows."""
LONGEST_ADDRESS = 254
_RESERVED = ("example.com", "example.org", "example.net", "test", "example", "invalid", "localhost")
"""RFC 2606: no person can have an address there."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message in words, twice: for readers that show HTML and for those that don't."""

    subject: str
    text: str
    html: str
    language: str


@dataclass(frozen=True, slots=True)
class Envelope:
    """To whom a letter goes, and what a mail server is told about it."""

    message_id: str
    """Drawn from the message: a mail that is sent twice, after a crash, can be known by it."""
    sender: tuple[str, str]
    """Name and address."""
    recipient: tuple[str, str]
    at: datetime
    unsubscribe: str | None = None
    """Where one click ends this class of messages (RFC 8058). None for what can't be switched off."""


def usable_address(written: str) -> str | None:
    """An address as a mail server takes it: ASCII, the domain in lower case and IDNA. None when it is none."""
    local, _, domain = written.strip().rpartition("@")
    if not _LOCAL.fullmatch(local) or len(local) > 64:
        return None
    try:
        domain = domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return None
    address = f"{local}@{domain}"
    fits = all(_LABEL.fullmatch(label) for label in domain.split(".")) and len(address) <= LONGEST_ADDRESS
    return address if fits else None


def nobodys(address: str, also: Sequence[str] = ()) -> bool:
    """Whether an address can't be a real person's: a reserved domain or a subdomain of one, or one of `also`."""
    domain = address.rpartition("@")[2]
    return any(domain == safe or domain.endswith(f".{safe}") for safe in (*_RESERVED, *also))


def masked(address: str) -> str:
    """`a•••@example.org`: enough to see that it is the right one, for whoever knows it."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"


def write(letter: Letter, envelope: Envelope) -> bytes:
    """The mail, with CRLF line ends and no line over 998 bytes."""
    boundary = f"=_{envelope.message_id.partition('@')[0]}"
    lines = [*_headers(letter, envelope), f'Content-Type: multipart/alternative; boundary="{boundary}"', ""]
    for kind, content in (("plain", letter.text), ("html", letter.html)):
        lines += [
            f"--{boundary}",
            f"Content-Type: text/{kind}; charset=utf-8",
            "Content-Transfer-Encoding: quoted-printable",
            "",
            _quoted(content),
        ]
    lines += [f"--{boundary}--", ""]
    return "\r\n".join(lines).encode("ascii")


def _headers(letter: Letter, envelope: Envelope) -> Iterator[str]:
    yield f"Date: {format_datetime(envelope.at)}"
    yield f"From: {_mailbox(*envelope.sender)}"
    yield f"To: {_mailbox(*envelope.recipient)}"
    yield f"Message-ID: <{envelope.message_id}>"
    yield f"Subject: {_words(_clean(letter.subject))}"
    yield "MIME-Version: 1.0"
    yield f"Content-Language: {letter.language}"
    # Nobody's absence note answers us (RFC 3834; the second is what Exchange understands).
    yield "Auto-Submitted: auto-generated"
    yield "X-Auto-Response-Suppress: All"
    if envelope.unsubscribe is not None:
        yield f"List-Unsubscribe: <{envelope.unsubscribe}>"
        yield "List-Unsubscribe-Post: List-Unsubscribe=One-Click"


def _mailbox(name: str, address: str) -> str:
    name = _clean(name)[:120]
    if not name:
        return address
    if not name.isascii():
        return f"{_words(name)} <{address}>"
    if not _ATOM.fullmatch(name):
        name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{name} <{address}>"


def _clean(text: str) -> str:
    return " ".join(_CONTROL.sub(" ", text).split())


def _words(text: str) -> str:
    """ASCII as it is, anything else in encoded words, each on a line of its own."""
    if text.isascii():
        return text
    pieces, piece = [], ""
    for sign in text:
        if len((piece + sign).encode()) > _WORD_BYTES:
            pieces.append(piece)
            piece = ""
        piece += sign
    pieces.append(piece)
    return "\r\n ".join(f"=?utf-8?b?{base64.b64encode(one.encode()).decode()}?=" for one in pieces)


def _quoted(text: str) -> str:
    encoded = quopri.encodestring("\n".join(text.splitlines()).encode(), quotetabs=False)
    return encoded.decode("ascii").replace("\n", "\r\n")
