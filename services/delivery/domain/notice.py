"""The redisclosure notice that goes with every package (34 CFR 99.33(d)). Versions are added, never edited: rows cite them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RedisclosureNotice:
    """One version of the notice. The package carries the same text inside."""

    version: str
    text: str


REDISCLOSURE = RedisclosureNotice(
    "redisclosure-34cfr99.33-1",
    "This education record is disclosed under the Family Educational Rights and Privacy Act. You may use it only for"
    " the purpose for which it was disclosed, and you may not redisclose it to any other party without the prior"
    " consent of the parent or of the eligible student (34 CFR 99.33).",
)
