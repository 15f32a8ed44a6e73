"""What notify needs beside the chassis's settings: who its mails are from, and whether it may mail real people."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from email.utils import parseaddr
from typing import ClassVar

from pydantic import Field

from services.chassis.keys.person import MASTER_KEY_FILE
from services.chassis.settings import Role
from services.chassis.settings import Settings as ChassisSettings

SESSION_KEYS = "identity.public.jwks.json"
_LOCAL_FROM = "Placet <no-reply@placet.example>"
_SHORTEST_RETRY = 60
"""Seconds. Outside local mode nobody hammers a mail server that said "later"."""
_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")


class Settings(ChassisSettings):
    """Notify's settings."""

    key_files: ClassVar[Mapping[str, frozenset[Role]]] = {
        SESSION_KEYS: frozenset({Role.API}),
        MASTER_KEY_FILE: frozenset({Role.API, Role.WORKER}),
    }
    smtp_roles: ClassVar[frozenset[Role]] = frozenset({Role.WORKER})

    mail_from: str = Field("", validation_alias="PLACET_MAIL_FROM")
    """`Harbor Point Schools <no-reply@harbor.example>`. Absent in local mode: an address that nobody has."""
    mail_test_only: bool | None = Field(None, validation_alias="PLACET_MAIL_TEST_ONLY")
    """Whether only reserved domains and those of `PLACET_MAIL_TEST_DOMAINS` are mailed. Absent: everywhere but in production."""
    mail_test_domains: tuple[str, ...] = Field((), validation_alias="PLACET_MAIL_TEST_DOMAINS")
    """Domains that test mode may mail beside the reserved ones, as JSON: `["test.example.edu"]`."""
    mail_retry_seconds: int = Field(300, ge=1, le=3_600, validation_alias="PLACET_MAIL_RETRY_SECONDS")
    """Between two tries of a mail that was not taken."""

    def faults(self, role: Role) -> Iterator[str]:
        yield from super().faults(role)
        if role is not Role.WORKER:
            return
        if "@" not in parseaddr(self.sender)[1] or any(ord(sign) < 32 for sign in self.sender):
            yield "PLACET_MAIL_FROM is missing or no address: give who mails are from, such as Placet <no-reply@example.org>."
        if self.strict and self.mail_retry_seconds < _SHORTEST_RETRY:
            yield f"PLACET_MAIL_RETRY_SECONDS is below {_SHORTEST_RETRY}: only local mode may try again sooner."
        if any(not _DOMAIN.fullmatch(one) for one in self.mail_test_domains):
            yield 'PLACET_MAIL_TEST_DOMAINS has an entry that is no lower-case domain: give a list such as ["test.example.edu"].'

    @property
    def sender(self) -> str:
        return self.mail_from or ("" if self.strict else _LOCAL_FROM)

    @property
    def test_only(self) -> bool:
        """Whether this house must not be able to mail a real person."""
        return self.mail_test_only if self.mail_test_only is not None else not self.strict

    @property
    def retry(self) -> timedelta:
        return timedelta(seconds=self.mail_retry_seconds)
