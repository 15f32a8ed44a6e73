"""The transcript as a CLR 2.0 `ClrCredential` with OB 3.0 achievement credentials inside, as plain JSON values.

Pure. Invariants: only terms of the two standards are written (an undeclared property would travel unsigned in JSON-LD
processing); `partial` is true whenever anything was left out (CLR 2.0); a level is `achievedLevel` pointing at a
`RubricCriterionLevel`, never a letter; the same transcript and selection give the same ids, so that a correction with
a later `validFrom` replaces its predecessor. The contained credentials are covered by the outer signature.
"""

import base64
import hashlib
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from contracts.types import TranscriptKind
from services.records.domain.content import Competency, Credit, Evidence, Framework, TranscriptContent
from services.records.domain.selection import Selected, outline

Json = dict[str, Any]

CONTEXTS = (
    "https://www.w3.org/ns/credentials/v2",
    "https://purl.imsglobal.org/spec/clr/v2p0/context-2.0.1.json",
    "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
)
NOTICE_ID = "redisclosure-34cfr99.33-1"
NOTICE = (
    "This education record is disclosed under the Family Educational Rights and Privacy Act. You may use it only for"
    " the purpose for which it was disclosed, and you may not redisclose it to any other party without the prior"
    " consent of the parent or of the eligible student (34 CFR 99.33)."
)
_NAMES = uuid.UUID("5b6a7f8e-6f1c-5a52-9d5e-7c3a1f20c4d1")  # the name space of all ids derived here; never changes


@dataclass(frozen=True)
class SealFacts:
    """What the seal adds to the content. `sealed_by` is name and office as printed; `sealed_at` has a time zone.

    `issuer_id` is the school's `https` or `urn:uuid` address; `transcript_id` and `identity_salt` are random, drawn
    once for a transcript and kept, for ids and identity hashes are made from them.
    """

    issuer_id: str
    transcript_id: str
    version: int
    sealed_by: str
    sealed_at: datetime
    identity_salt: str

    def __post_init__(self) -> None:
        if not self.issuer_id.startswith(("https://", "urn:uuid:")):
            raise ValueError("issuer_id must be an https or urn:uuid address, for verifiers compare it as a URI")
        if self.sealed_at.utcoffset() != timedelta(0):
            raise ValueError("sealed_at must be in UTC, for it becomes validFrom")


def clr_credential(selected: Selected, sealed: SealFacts, *, status: Mapping[str, Any] | None = None) -> Json:
    """The unsigned credential. `status` is a ready `credentialStatus` (Bitstring Status List entry), where there is one."""
    content = selected.content
    identity = credential_id(selected, sealed)
    subject = {"id": _urn(sealed.transcript_id, "subject")}
    contained = list(_contained(content, sealed, identity, subject))
    programme, areas, links = _programme(content, sealed)
    credential: Json = {
        "@context": list(CONTEXTS),
        "id": identity,
        "type": ["VerifiableCredential", "ClrCredential"],
        "name": "Mastery Transcript" if content.kind is TranscriptKind.MASTERY_TRANSCRIPT else "Learning Record",
        "description": f"Sealed version {sealed.version}, sealed by {sealed.sealed_by}.",
        "issuer": _issuer(content, sealed),
        "validFrom": _moment(sealed.sealed_at),
        "partial": selected.partial,
        "credentialSubject": {
            **subject,
            "type": ["ClrSubject"],
            "identifier": _identifiers(content, sealed),
            "achievement": [programme, *areas],
            "verifiableCredential": contained or [_enrolment(sealed, identity, subject, programme)],
            "association": links,
        },
        "termsOfUse": [
            # The text rides in the id: a property of our own would be undeclared, and so unsigned for JSON-LD readers.
            {"id": f"data:text/plain;charset=utf-8,{quote(NOTICE)}", "type": f"urn:placet:notice:{NOTICE_ID}"}
        ],
    }
    if said := list(_own_words(content)):
        credential["evidence"] = said
    if status is not None:
        credential["credentialStatus"] = dict(status)
    return credential


def credential_id(selected: Selected, sealed: SealFacts) -> str:
    """The id of the credential: the same for every version of this transcript with this selection."""
    parts = "*" if not selected.partial else ",".join(sorted(part.part_id for part in outline(selected.content)))
    return _urn(sealed.transcript_id, "clr", parts)


def _contained(content: TranscriptContent, sealed: SealFacts, clr: str, subject: Json) -> Iterator[Json]:
    for credit in content.credits:
        yield _credit(content, sealed, clr, subject, credit)
    for number, course in enumerate(content.courses):
        about = course.description or course.name
        achievement = _achievement(_urn(clr, "course", str(number), course.name), "Course", course.name, about)
        achievement["criteria"] = {"narrative": "Taken at the school, as its description says."}
        term = {"term": course.term} if course.term else {}
        yield _achieved(sealed, _urn(clr, "course", str(number)), {**subject, **term}, achievement)
    for number, activity in enumerate(content.activities):
        about = activity.description or activity.name
        achievement = _achievement(
            _urn(clr, "activity", str(number), activity.name), "CoCurricular", activity.name, about
        )
        achievement["criteria"] = {"narrative": "Took part, as the school's record says."}
        term = {"term": activity.period} if activity.period else {}
        yield _achieved(sealed, _urn(clr, "activity", str(number)), {**subject, **term}, achievement)


def _credit(content: TranscriptContent, sealed: SealFacts, clr: str, subject: Json, credit: Credit) -> Json:
    achievement_id = credit_achievement_id(content, sealed, credit)
    achievement = _achievement(achievement_id, "Competency", credit.name, credit.description)
    achievement |= {
        "criteria": {"narrative": credit.criteria},
        "humanCode": credit.code,
        "tag": [credit.kind],
        "inLanguage": content.language,
        "resultDescription": [
            {"id": f"{achievement_id}#status", "type": ["ResultDescription"], "name": "Status", "resultType": "Status"},
            *(_result_description(content, achievement_id, each) for each in credit.competencies),
        ],
    }
    if credit.credits_earned is not None:
        achievement["creditsAvailable"] = credit.credits_earned
    if credit.alignments:
        achievement["alignment"] = [_alignment(dict(each)) for each in credit.alignments]
    earned = credit.status == "earned"
    results: list[Json] = [
        {
            "type": ["Result"],
            "resultDescription": f"{achievement_id}#status",
            "status": "Completed" if earned else "InProgress",
        }
    ]
    results += [
        {
            "type": ["Result"],
            "resultDescription": f"{achievement_id}#{each.id}",
            "achievedLevel": f"{achievement_id}#{each.id}.{each.level}",
        }
        for each in credit.competencies
        if each.level is not None
    ]
    about: Json = {**subject, "result": results}
    if earned and credit.credits_earned is not None:
        about["creditsEarned"] = credit.credits_earned
    document = _achieved(sealed, _urn(clr, "credit", credit.id), about, achievement)
    if credit.awarded_on is not None:
        document["awardedDate"] = f"{credit.awarded_on.isoformat()}T00:00:00Z"
    if credit.evidence:
        document["evidence"] = [_evidence(each) for each in credit.evidence]
    return document


def credit_achievement_id(content: TranscriptContent, sealed: SealFacts, credit: Credit) -> str:
    """The id of the achievement behind a credit: the same for every student of the school and framework."""
    return _urn(sealed.issuer_id, content.framework.id, "credit", credit.id)


def _result_description(content: TranscriptContent, achievement_id: str, competency: Competency) -> Json:
    here = f"{achievement_id}#{competency.id}"
    framework = content.framework
    described: Json = {
        "id": here,
        "type": ["ResultDescription"],
        "name": competency.name,
        "resultType": "RubricCriterionLevel",
        "rubricCriterionLevel": _levels(framework, here),
        "alignment": [
            {
                "type": ["Alignment"],
                "targetName": competency.name,
                "targetDescription": competency.standard,
                "targetUrl": here,
                "targetFramework": framework.name,
                "targetType": "CFItem",
            }
        ],
    }
    if framework.required_level is not None:
        described["requiredLevel"] = f"{here}.{framework.required_level}"
    return described


def _levels(framework: Framework, owner: str) -> list[Json]:
    """The rubric from low to high; a level's id begins with that of the description it belongs to."""
    return [
        {"id": f"{owner}.{level.id}", "type": ["RubricCriterionLevel"], "name": level.name, "level": str(number)}
        for number, level in enumerate(framework.rubric, start=1)
    ]


def _alignment(said: Mapping[str, Any]) -> Json:
    terms = {"name": "targetName", "url": "targetUrl", "code": "targetCode", "framework": "targetFramework"}
    return {"type": ["Alignment"], **{terms[key]: value for key, value in said.items() if value is not None}}


def _evidence(piece: Evidence) -> Json:
    said = [f"Verified by {piece.verified_by}."] if piece.verified_by else ["Not verified by an educator."]
    if piece.kind == "file":
        # RFC 6920: a name made of the digest, so that the evidence in the package is bound by the signature.
        packed = base64.urlsafe_b64encode(bytes.fromhex(piece.sha256 or "")).rstrip(b"=").decode()
        address = f"ni:///sha-256;{packed}?ct={piece.media_type}"
    else:
        address = piece.url or ""
    document: Json = {"id": address, "type": ["Evidence"], "name": piece.name, "narrative": " ".join(said)}
    if piece.description:
        document["description"] = piece.description
    return document


def _own_words(content: TranscriptContent) -> Iterator[Json]:
    texts = (("Personal statement", content.personal_statement), ("Notes", content.notes))
    for name, text in texts:
        if text is not None:
            yield {"type": ["Evidence"], "name": name, "narrative": text, "genre": name}


def _programme(content: TranscriptContent, sealed: SealFacts) -> tuple[Json, list[Json], list[Json]]:
    """The framework and its areas as achievements that group the credits, and the associations that say so."""
    framework = content.framework
    programme = _achievement(
        _urn(sealed.issuer_id, framework.id), "LearningProgram", framework.name, f"Published by {framework.publisher}."
    )
    programme["criteria"] = {"narrative": "The school's competency framework; each credit has criteria of its own."}
    # The levels in words stand here once; each competency repeats only their names, for a result must point at its own.
    programme["resultDescription"] = [
        {
            "id": f"{programme['id']}#rubric",
            "type": ["ResultDescription"],
            "name": "Rubric",
            "resultType": "RubricCriterionLevel",
            "rubricCriterionLevel": [
                {**level, "description": each.description}
                for level, each in zip(_levels(framework, f"{programme['id']}#rubric"), framework.rubric, strict=True)
            ],
        }
    ]
    used = {credit.area for credit in content.credits}
    areas = []
    links = []
    for area in framework.areas:
        if area.id not in used:
            continue
        grouped = _achievement(
            _urn(sealed.issuer_id, framework.id, "area", area.id), "Achievement", area.name, area.name
        )
        areas.append({**grouped, "humanCode": area.code, "criteria": {"narrative": "Groups the credits of this area."}})
        links.append(_association(grouped["id"], programme["id"]))
        links += [
            _association(credit_achievement_id(content, sealed, credit), grouped["id"])
            for credit in content.credits
            if credit.area == area.id
        ]
    return programme, areas, links


def _association(child: str, parent: str) -> Json:
    return {"type": "Association", "associationType": "isChildOf", "sourceId": child, "targetId": parent}


def _enrolment(sealed: SealFacts, clr: str, subject: Json, programme: Json) -> Json:
    """A CLR must contain a credential; with no credit, course or activity it says only that the student is enrolled."""
    status = f"{programme['id']}#status"
    described = {"id": status, "type": ["ResultDescription"], "name": "Status", "resultType": "Status"}
    about = {**subject, "result": [{"type": ["Result"], "resultDescription": status, "status": "Enrolled"}]}
    return _achieved(sealed, _urn(clr, "enrolment"), about, {**programme, "resultDescription": [described]})


def _achievement(identity: str, kind: str, name: str, description: str) -> Json:
    return {"id": identity, "type": ["Achievement"], "achievementType": kind, "name": name, "description": description}


def _achieved(sealed: SealFacts, identity: str, subject: Json, achievement: Json) -> Json:
    return {
        "@context": [CONTEXTS[0], CONTEXTS[2]],
        "id": identity,
        "type": ["VerifiableCredential", "AchievementCredential"],
        "name": achievement["name"],
        "issuer": {"id": sealed.issuer_id, "type": ["Profile"]},
        "validFrom": _moment(sealed.sealed_at),
        "credentialSubject": {**subject, "type": ["AchievementSubject"], "achievement": achievement},
    }


def _issuer(content: TranscriptContent, sealed: SealFacts) -> Json:
    school = content.school
    issuer: Json = {
        "id": sealed.issuer_id,
        "type": ["Profile"],
        "name": school.name,
        "address": {"type": ["Address"], "streetAddress": school.address},
    }
    if school.phone:
        issuer["phone"] = school.phone
    if school.profile:
        issuer["description"] = school.profile
    if school.code:
        code = {"type": "IdentifierEntry", "identifier": school.code, "identifierType": "ext:schoolCode"}
        issuer["otherIdentifier"] = [code]
    return issuer


def _identifiers(content: TranscriptContent, sealed: SealFacts) -> list[Json]:
    """Who it is about, as salted hashes: a reader who knows the name or number can check it, nobody can read it off."""
    student = content.student
    return [
        {
            "type": "IdentityObject",
            "hashed": True,
            "identityHash": identity_hash(value, sealed.identity_salt),
            "identityType": kind,
            "salt": sealed.identity_salt,
        }
        for kind, value in (("name", student.name), ("identifier", student.student_number))
    ]


def identity_hash(identifier: str, salt: str) -> str:
    """OB 3.0 `identityHash`: `sha256$` and the hex digest over identifier and salt."""
    return "sha256$" + hashlib.sha256((identifier + salt).encode()).hexdigest()


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _urn(*names: str) -> str:
    return f"urn:uuid:{uuid.uuid5(_NAMES, chr(10).join(names))}"
