"""Before the curtain rises: schools, recipients, a roster, transcripts, seals. Every step through the front door."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.demo.cast import Caller, Company, Household, Json, Person, Refused
from services.chassis import ids

DATA = Path(__file__).parent / "data"
DISTRICT = "harbor-and-mesa"
"""The word both schools' rosters come under: they share one system."""
SCHOOLS = {
    "org-harbor-point": ("Harbor Point Academy", "America/New_York", ["college", "scholarship"], False),
    "org-mesa-verde": ("Mesa Verde High", "America/Denver", ["college", "scholarship", "employer"], True),
}
"""Name, time zone, the kinds of recipient that the school allows, whether it approves each release itself."""
MEDIA = {".png": "image/png", ".pdf": "application/pdf", ".txt": "text/plain"}

Say = Callable[[str], None]


@dataclass
class Setting:
    """What the scenes are played in."""

    company: Company
    schools: dict[str, str] = field(default_factory=dict)
    """Our id of a school, by its id in the roster."""
    registrars: dict[str, Person] = field(default_factory=dict)
    recipients: dict[str, str] = field(default_factory=dict)
    programs: dict[str, dict[str, str]] = field(default_factory=dict)
    transcripts: dict[str, Json] = field(default_factory=dict)
    """The sealed transcript of a student, by the student's id in the roster."""
    names: dict[str, str] = field(default_factory=dict)

    def person_id(self, sourced_id: str) -> str:
        """Identity draws the same id from the same row of the same system, so that an import can be repeated."""
        return ids.derived("per", DISTRICT, sourced_id)

    async def household(self, sourced_id: str) -> Household:
        """The student, and who signs for them today: a guardian, or the student who is of age."""
        student_id = self.person_id(sourced_id)
        known = await self.company.operator.get(f"/identity/people/{student_id}")
        student = await self.company.person(student_id, known["name"])
        if known["rights_holder"] == "student":
            return Household(student, student)
        guardian = await self.company.operator.get(f"/identity/people/{known['guardians'][0]}")
        return Household(student, await self.company.person(guardian["person_id"], guardian["name"]))


async def record_organizations(setting: Setting) -> None:
    """The operator records both schools and the recipients; one of them is not verified."""
    operator = setting.company.operator
    for sourced_id, (name, zone, kinds, approves) in SCHOOLS.items():
        school = await operator.post(
            "/identity/organizations",
            {
                "kind": "school",
                "name": name,
                "timezone": zone,
                "standing": "verified",
                "policy": {"recipient_kinds": kinds, "school_approves": approves},
                "roster_source": DISTRICT,
                "sourced_id": sourced_id,
            },
        )
        setting.schools[sourced_id] = school["organization_id"]
    for recipient in json.loads((DATA / "recipients.json").read_text()):
        body = {name: recipient[name] for name in ("kind", "name", "standing")}
        made = await operator.post("/identity/organizations", body)
        setting.recipients[recipient["id"]] = made["organization_id"]


async def import_roster(setting: Setting, name: str) -> Json:
    """One ZIP, as the operator of both schools. Raises `Refused` when it can't be read at all."""
    school = setting.schools["org-harbor-point"]
    archive = (DATA / name).read_bytes()
    path = f"/identity/schools/{school}/rosters"
    return await setting.company.operator.call("POST", path, data=archive, media_type="application/zip")


async def call_registrars(setting: Setting) -> None:
    """Each school's registrar comes in."""
    for sourced_id, person in (("org-harbor-point", "hp-rg-01"), ("org-mesa-verde", "mv-rg-01")):
        known = await setting.company.operator.get(f"/identity/people/{setting.person_id(person)}")
        setting.registrars[sourced_id] = await setting.company.person(known["person_id"], known["name"])


async def import_transcripts(setting: Setting) -> tuple[list[str], list[tuple[str, str]]]:
    """Every file of the folder, with its evidence: the ids that are drafts now, and what was refused and why."""
    drafts, refused = [], []
    for path in sorted((DATA / "transcripts").glob("*.json")):
        try:
            drafts.append(await import_transcript(setting, json.loads(path.read_text())))
        except Refused as no:
            refused.append((path.name, _why(no)))
    return drafts, refused


async def import_transcript(setting: Setting, file: Json) -> str:
    """One file: the draft, then the files of evidence that it still lacks."""
    school = setting.schools[file["school_sourced_id"]]
    registrar = setting.registrars[file["school_sourced_id"]]
    body = {
        "student_sourced_id": file["student_sourced_id"],
        "roster_source": DISTRICT,
        "content": file["content"],
    }
    draft = await registrar.post(f"/records/schools/{school}/transcripts", body)
    for missing in draft["missing_evidence"]:
        await _lay_evidence(registrar, draft["transcript_id"], missing["evidence_id"])
    setting.transcripts[file["student_sourced_id"]] = draft
    setting.names[draft["student_id"]] = file["content"]["student"]["name"]
    return str(draft["transcript_id"])


async def _lay_evidence(registrar: Caller, transcript_id: str, evidence_id: str) -> None:
    for path in (DATA / "evidence").glob(f"{evidence_id}.*"):
        await registrar.call(
            "PUT",
            f"/records/transcripts/{transcript_id}/evidence/{evidence_id}",
            data=path.read_bytes(),
            media_type=MEDIA[path.suffix],
        )


async def seal_all(setting: Setting, say: Say) -> list[tuple[str, str]]:
    """Each registrar seals the school's drafts in one act, bound to all their digests. Answers with what was refused."""
    refused = []
    for sourced_id, registrar in setting.registrars.items():
        school = setting.schools[sourced_id]
        drafts = await registrar.get(f"/records/schools/{school}/drafts")
        step_up = await registrar.step_up("records.seal", school, drafts["digest"])
        wanted = [draft["transcript_id"] for draft in drafts["drafts"]]
        say(f"{registrar.name} seals {len(wanted)} transcripts of {SCHOOLS[sourced_id][0]} …")
        found = await registrar.post(f"/records/schools/{school}/seal", {"transcript_ids": wanted}, step_up=step_up)
        for one in found:
            if one["problem"]:
                refused.append((one["transcript_id"], one["problem"]))
                continue
            for student, known in setting.transcripts.items():
                if known["transcript_id"] == one["transcript_id"]:
                    setting.transcripts[student] = one["transcript"]
    return refused


def _why(no: Refused) -> str:
    faults = no.body.get("faults", []) if isinstance(no.body, dict) else []
    places = "; ".join(f"{fault['where']}: {fault['reason']}" for fault in faults[:2])
    return places or no.detail


async def open_programs(setting: Setting, folder: Path, ports: dict[str, int], origin: str) -> dict[str, Path]:
    """Each recipient gets credentials, names its endpoint, and its program's configuration is written."""
    operator, configs = setting.company.operator, {}
    keys = await operator.get("/records/keys")
    (folder / "issuer.jwks.json").write_text(json.dumps(keys))
    for name, port in ports.items():
        made = await operator.post(
            "/identity/clients", {"organization_id": setting.recipients[name], "name": "admissions system"}
        )
        program = setting.company.program(name)
        await program.come_in(made["client_id"], made["client_secret"])
        endpoint = await program.put(
            "/delivery/endpoints/main", {"url": f"http://127.0.0.1:{port}/hook", "description": "main"}
        )
        config: dict[str, Any] = {
            "port": port,
            "origin": origin,
            "client_id": made["client_id"],
            "client_secret": made["client_secret"],
            "webhook_secret": endpoint["secret"],
            "issuer_keys": str(folder / "issuer.jwks.json"),
            "record": str(folder / f"{name}.jsonl"),
        }
        configs[name] = folder / f"{name}.json"
        configs[name].write_text(json.dumps(config))
        configs[name].chmod(0o600)
        setting.programs[name] = {"client_id": made["client_id"], "client_secret": made["client_secret"]}
    return configs
