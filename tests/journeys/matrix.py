"""Every operation of the five published documents, and how to call each one: what the matrices of rights walk through.

The list is read from `contracts/openapi/`, so an operation that comes new is walked through too; one whose ids or body
this page does not know fails, and says so.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.topics import SERVICES
from deploy.local.house import ROOT

Known = Mapping[str, str]
"""A value for each parameter and each `{name}` in a body."""

DIGEST = "sha256:" + "0" * 64
BODIES: dict[str, Any] = {
    "POST /identity/organizations": {"kind": "college", "name": "Intruder", "organization_id": "{organization_id}"},
    "POST /identity/organizations/{organization_id}/standing": {"standing": "verified"},
    "POST /identity/organizations/{organization_id}/readers": {"name": "Intruder", "email": "intruder@example.org"},
    "POST /identity/clients": {"organization_id": "{organization_id}", "name": "intruder"},
    "POST /identity/schools/{school_id}/people/search": {"email": "nobody@example.org"},
    "POST /identity/people/{person_id}/tokens": {"valid_days": 1},
    "POST /identity/authenticator/confirmation": {"code": "000000"},
    "POST /identity/step-up": {"act": "consent.sign", "on": "{request_id}", "code": "000000"},
    "POST /consent/requests": {
        "transcript_id": "{transcript_id}",
        "recipient_id": "{organization_id}",
        "purpose": "admission",
    },
    "POST /consent/requests/{request_id}/signature": {"package": DIGEST, "notice": DIGEST},
    "POST /consent/requests/{request_id}/school-approval": {"package": DIGEST, "notice": DIGEST},
    "POST /consent/schools/{school_id}/approvals": {
        "requests": [{"request_id": "{request_id}", "package": DIGEST}],
        "notice": DIGEST,
    },
    "POST /records/schools/{school_id}/transcripts": {"student_id": "{person_id}", "content": {}},
    "POST /records/transcripts/{transcript_id}/seal": {"digest": DIGEST},
    "POST /records/schools/{school_id}/seal": {"transcript_ids": ["{transcript_id}"]},
    "PUT /records/transcripts/{transcript_id}/hold": {"reason": "fees", "until": "2099-01-01T00:00:00Z"},
    "POST /delivery/deliveries/{delivery_id}/open": {"redisclosure_notice": "any"},
    "POST /delivery/deliveries/{delivery_id}/acknowledge": {"digest": DIGEST},
    "PUT /delivery/endpoints/{name}": {"url": "https://intruder.example.org/", "recipient_id": "{recipient_id}"},
    "POST /notify/announcements": {
        "audience": "registrar", "subject_en": "a", "subject_es": "a", "text_en": "a", "text_es": "a",
    },
    "PUT /notify/preferences": {"muted": []},
}  # fmt: skip
IDS = frozenset(
    {
        "organization_id", "client_id", "school_id", "import_id", "person_id", "request_id", "transcript_id", "package_id",
        "delivery_id", "message_id", "evidence_id", "student_id", "recipient_id",
    }
)  # fmt: skip
"""Parameters that name somebody's object."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: its method and path, who may, and what it takes."""

    method: str
    path: str
    right: str
    parameters: tuple[tuple[str, str], ...]
    """Name and place of each parameter."""
    takes_json: bool

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def roles(self) -> frozenset[str]:
        return frozenset(self.right.split(" or "))

    @property
    def ids(self) -> frozenset[str]:
        """The objects it names, in path, query or body."""
        named = {name for name, _ in self.parameters}
        return IDS & (named | set(re.findall(r"\{(\w+)\}", json.dumps(BODIES.get(str(self), "")))))

    def body(self, known: Known) -> Any:
        """The JSON to send, with the ids meant; None when it takes none."""
        if not self.takes_json:
            return None
        spelled = json.dumps(BODIES[str(self)])
        return json.loads(re.sub(r"\{(\w+)\}", lambda found: known[found[1]], spelled))

    def address(self, known: Known) -> str:
        """Path and query with the ids meant. A query's id is sent where it names an object."""
        path = re.sub(r"\{(\w+)\}", lambda found: known[found[1]], self.path)
        query = [f"{name}={known[name]}" for name, place in self.parameters if place == "query" and name in IDS]
        # The ledger takes one of the two.
        return path + ("?" + query[0] if query else "")


def operations() -> list[Operation]:
    """All of them, in the documents' order."""
    found = []
    for service in SERVICES:
        document = json.loads((ROOT / "contracts" / "openapi" / f"{service}.json").read_text())
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                found.append(
                    Operation(
                        method=method.upper(),
                        path=path,
                        right=operation["x-right"],
                        parameters=tuple((one["name"], one["in"]) for one in operation.get("parameters", [])),
                        takes_json="application/json" in operation.get("requestBody", {}).get("content", {}),
                    )
                )
    return found
