"""What an audit finds wrong: always with its place, and with what to do. Repeats nothing that stands in the files."""

from dataclasses import dataclass, field

MOST = 1_000
"""Problems that are kept. Whoever has more has one cause behind them."""

COMPARE = "compare it with an earlier export, or with the family's own; repair nothing by hand, and tell the operator"
EXPORT = "export again with `placet audit export`; if it is the same again, keep both folders and tell the operator"
ASK_CONSENT = (
    "fetch /consent/keys yourself and give that file with --grant-keys; if it stays, nobody at consent signed this"
)
LOOK_AT_SEALS = "look at the transcript's versions and packages in records; tell the operator which of the two is wrong"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong. `line` counts from 1, and is 0 where the whole file is meant; so is `place` empty."""

    file: str
    line: int
    place: str
    what: str
    todo: str


@dataclass(slots=True)
class Problems:
    """All that was found, in the order of the files."""

    found: list[Problem] = field(default_factory=list)
    count: int = 0

    def note(self, file: str, line: int, place: str, what: str, todo: str = COMPARE) -> None:
        """Keep one problem; beyond `MOST` it is only counted."""
        self.count += 1
        if len(self.found) < MOST:
            self.found.append(Problem(file, line, place, what, todo))

    def touch(self, file: str) -> bool:
        """Whether anything was found in this file."""
        return any(one.file == file for one in self.found)
