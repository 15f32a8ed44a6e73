"""The example for a collector lets through what a span of ours may hold, and nothing else."""

import re
from typing import Any

import pytest
import yaml

from deploy.helm.generate import EXAMPLES
from services.chassis.observe.log import FIELDS

SAID: dict[str, Any] = yaml.safe_load((EXAMPLES / "otel-collector.yaml").read_text())
REDACTION: dict[str, Any] = SAID["processors"]["redaction"]
PROCESS = {"service.name", "telemetry.sdk.language", "telemetry.sdk.name", "telemetry.sdk.version"}
"""What OpenTelemetry's own library says of a process."""


def test_exactly_the_fields_of_the_code_pass() -> None:
    assert REDACTION["allow_all_keys"] is False
    assert set(REDACTION["allowed_keys"]) == FIELDS | PROCESS


def test_every_way_out_leads_through_the_redaction() -> None:
    for pipeline in SAID["service"]["pipelines"].values():
        assert "redaction" in pipeline["processors"]
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) <= SAID[kind].keys()


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ("maria.cuenca@example.org", True),
        ("sent to <maria@school.example>", True),
        ("eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJwZXJfMSJ9.c2ln", True),
        ("Bearer 9f2c81d0a4b7", True),
        ("req_01JBX3V9T2", False),
        ("consent.request.approved.v1", False),
        ("services/consent/handlers.py:41 in sign", False),
        ("claim:msg_1_available:end_main:2", False),
    ],
)
def test_what_looks_like_a_person_or_a_token_is_masked(value: str, *, masked: bool) -> None:
    assert any(re.search(pattern, value) for pattern in REDACTION["blocked_values"]) is masked
