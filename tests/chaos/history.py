"""What was seen from outside, a line of JSON each: written by clients, recipients and whoever looks at the end.

Lines know nothing of the services' own code: they are what a stranger at the wire, the mailbox or the ledger would note.
Moments are seconds since 1970 of the one machine's clock that no fault touches.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Json = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP call of a client or a recipient. `status` 0: no answer came, so nobody knows whether it was done."""

    began: float
    ended: float
    who: str
    """The person, or the organization that a program speaks for."""
    act: str
    """`open`, `sign`, `approve`, `refuse`, `revoke`; `disclose`, `fetch`, `acknowledge`; `probe` (of what is another's)."""
    about: str
    status: int
    url: str = ""
    said: dict[str, Json] = field(default_factory=dict)
    """What of the answer is judged."""

    @property
    def done(self) -> bool:
        return 200 <= self.status < 300

    @property
    def refused(self) -> bool:
        """A no that is certain: nothing was done."""
        return 400 <= self.status < 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A webhook as it reached a recipient, and what the recipient answered."""

    at: float
    recipient: str
    webhook_id: str
    body: str
    verified: bool
    answered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record on a topic."""

    topic: str
    partition: int
    offset: int
    id: str
    kind: str
    body: str
    headers: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """A record that a fault put on a topic: what lies there under this id was never said by a service."""

    id: str
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A request at the end, as its family sees it. `status` is empty when it can't be found any more."""

    request_id: str
    status: str
    stage: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A delivery at the end, as a recipient sees it in its own list."""

    recipient: str
    delivery_id: str
    request_id: str
    status: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of a school's ledger, as exported."""

    school_id: str
    row: dict[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What somebody's own check of the ledger came to."""

    by: str
    about: str
    holds: bool
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail in the catcher's box."""

    message_id: str
    to: str
    subject: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A personal word in clear where none may be."""

    where: str
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What was broken, when, and for how long: not judged, but told beside what is."""

    at: float
    number: int
    what: str
    ended: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Premises:
    """What the judge is given: consent's public keys, and the words that may stand nowhere in clear."""

    consent_keys: dict[str, Json]
    canaries: tuple[str, ...] = ()


Line = Call | Hook | Record | Injected | State | Held | Row | Proof | Mail | Leak | Fault | Premises
KINDS: dict[str, type[Any]] = {
    one.__name__: one for one in (Call, Hook, Record, Injected, State, Held, Row, Proof, Mail, Leak, Fault, Premises)
}


@dataclass(frozen=True, slots=True)
class History:
    """Every line of a run, by kind."""

    lines: tuple[Line, ...]
    _texts: list[str] = field(default_factory=list, compare=False, repr=False)

    def of(self, kind: type[Any]) -> Iterator[Any]:
        return (line for line in self.lines if type(line) is kind)

    def about(self, *words: str) -> list[Line]:
        """The lines that speak of one of these ids."""
        if not self._texts:
            self._texts.extend(map(spelled, self.lines))
        pairs = zip(self._texts, self.lines, strict=True)
        return [line for text, line in pairs if any(word in text for word in words if word)]


def spelled(line: Line) -> str:
    return json.dumps({"line": type(line).__name__, **asdict(line)}, separators=(",", ":"))


def parsed(text: str) -> Line:
    told = json.loads(text)
    kind: type[Any] = KINDS[told.pop("line")]
    line: Line = kind(**told)
    return line


def read(paths: Iterable[Path]) -> History:
    """The history in some files. A last line that was cut off when its writer died is left out."""
    lines: list[Line] = []
    for path in paths:
        text = path.read_text()
        whole = text.splitlines() if text.endswith("\n") else text.splitlines()[:-1]
        lines += map(parsed, whole)
    return History(tuple(lines))


class Pen:
    """Writes lines to one file, each as soon as it is known."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)

    def note(self, line: Line) -> None:
        self._file.write(spelled(line) + "\n")

    def close(self) -> None:
        self._file.close()
