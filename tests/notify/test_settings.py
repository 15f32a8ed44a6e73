"""Notify refuses to start on a sender that is none, and mails nobody real by accident."""

from pathlib import Path
from typing import Any

import pytest

from services.chassis.settings import Role
from services.notify.settings import Settings


@pytest.fixture
def worker(tmp_path: Path) -> dict[str, Any]:
    for name in ("master.key", "identity.public.jwks.json"):
        (tmp_path / name).write_text("x")
    return {
        "PLACET_MODE": "production",
        "PLACET_PUBLIC_URL": "https://transcripts.school.edu",
        "KAFKA_BOOTSTRAP_SERVERS": "kafka:9093",
        "PLACET_KAFKA_WORKER_USER": "notify-worker",
        "PLACET_KAFKA_WORKER_PASSWORD": "Vq3-kRt8_zWm5xYb2Lp9",
        "PLACET_MONGODB_WORKER_URI": "mongodb://u:Vq3-kRt8_zWm5xYb2Lp9@db/?tls=true",
        "PLACET_KEYS_FOLDER": str(tmp_path),
        "SMTP_URL": "smtps://u:Vq3-kRt8_zWm5xYb2Lp9@mail.school.edu",
        "PLACET_MAIL_FROM": "Harbor Point <no-reply@school.edu>",
    }


def faults(given: dict[str, Any]) -> list[str]:
    return list(Settings.model_validate(given).faults(Role.WORKER))


def test_a_worker_that_is_set_up_starts_and_mails_real_people(worker: dict[str, Any]) -> None:
    assert faults(worker) == []
    assert not Settings.model_validate(worker).test_only


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"PLACET_MAIL_FROM": ""}, "PLACET_MAIL_FROM"),
        ({"PLACET_MAIL_FROM": "nobody"}, "PLACET_MAIL_FROM"),
        ({"PLACET_MAIL_FROM": "A <a@b.test>\r\nBcc: x@y.test"}, "PLACET_MAIL_FROM"),
        ({"PLACET_MAIL_RETRY_SECONDS": "5"}, "PLACET_MAIL_RETRY_SECONDS"),
        ({"PLACET_MAIL_TEST_DOMAINS": '["@x.test"]'}, "PLACET_MAIL_TEST_DOMAINS"),
        ({"SMTP_URL": "smtp://mail.school.edu"}, "SMTP_URL"),
    ],
    ids=["no sender", "no address", "two lines", "hammering", "no domain", "mail without TLS"],
)
def test_what_is_wrong_is_said_in_one_sentence(worker: dict[str, Any], change: dict[str, str], word: str) -> None:
    given = {**worker, **change}
    if word == "PLACET_MAIL_TEST_DOMAINS":
        given[word] = ("@x.test",)
    (fault,) = faults(given)
    assert fault.startswith(word)


def test_in_local_mode_only_nobody_is_mailed_and_from_nobody(worker: dict[str, Any]) -> None:
    local = Settings.model_validate(
        {**worker, "PLACET_MODE": "local", "PLACET_MAIL_FROM": "", "PLACET_MAIL_RETRY_SECONDS": "2"}
    )
    assert local.test_only
    assert local.sender.endswith("@placet.example>")
    assert local.retry.total_seconds() == 2
    assert list(local.faults(Role.WORKER)) == []


def test_production_can_be_told_to_be_a_test(worker: dict[str, Any]) -> None:
    assert Settings.model_validate({**worker, "PLACET_MAIL_TEST_ONLY": "true"}).test_only
