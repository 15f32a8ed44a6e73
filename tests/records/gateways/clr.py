"""A small JSON Schema of CLR 2.0 and OB 3.0, written from the rules of the standards, with a closed list of terms."""

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1}
URI: Schema = {"type": "string", "pattern": r"^[a-z][a-z0-9+.-]*:.+"}
MOMENT: Schema = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"}


def thing(required: str, optional: str = "", **terms: Schema) -> Schema:
    """A closed object: these terms and no others."""
    allowed = {name: terms.get(name, TEXT) for name in (required + " " + optional).split()}
    return {"type": "object", "properties": allowed, "required": required.split(), "additionalProperties": False}


def many(items: Schema, least: int = 1) -> Schema:
    return {"type": "array", "items": items, "minItems": least}


def kinds(*names: str) -> Schema:
    return {"type": "array", "items": TEXT, "allOf": [{"contains": {"const": name}} for name in names]}


def one_of(names: str) -> Schema:
    return {"enum": names.split()}


ALIGNMENT = thing(
    "type targetName targetUrl",
    "targetCode targetDescription targetFramework targetType",
    type=kinds("Alignment"),
    targetUrl=URI,
    targetType=one_of(
        "ceasn:Competency ceterms:Credential CFItem CFRubric CFRubricCriterion CFRubricCriterionLevel CTDL"
    ),
)
LEVEL = thing("id type name", "description level points alignment", id=URI, type=kinds("RubricCriterionLevel"))
RESULT_DESCRIPTION = thing(
    "id type name resultType",
    "rubricCriterionLevel requiredLevel alignment allowedValue",
    id=URI,
    type=kinds("ResultDescription"),
    resultType=one_of("RubricCriterionLevel Status"),  # of the standard's list, what a mastery transcript may use
    rubricCriterionLevel=many(LEVEL),
    requiredLevel=URI,
    alignment=many(ALIGNMENT),
)
ACHIEVEMENT = thing(
    "id type name description criteria",
    "achievementType alignment resultDescription humanCode creditsAvailable tag inLanguage version",
    id=URI,
    type=kinds("Achievement"),
    criteria={
        "type": "object",
        "minProperties": 1,
        "properties": {"id": URI, "narrative": TEXT},
        "additionalProperties": False,
    },
    achievementType=one_of("Achievement Competency Course CoCurricular LearningProgram"),
    alignment=many(ALIGNMENT),
    resultDescription=many(RESULT_DESCRIPTION),
    creditsAvailable={"type": "number"},
    tag=many(TEXT),
)
IDENTITY = thing(
    "type hashed identityHash identityType",
    "salt",
    type={"const": "IdentityObject"},
    hashed={"const": True},
    identityHash={"type": "string", "pattern": r"^sha256\$[0-9a-f]{64}$"},
    identityType=one_of("name identifier"),
)
RESULT = thing(
    "type resultDescription",
    "achievedLevel value status",
    type=kinds("Result"),
    resultDescription=URI,
    achievedLevel=URI,
    status=one_of("Completed Enrolled Failed InProgress OnHold Provisional Withdrew"),
)
EVIDENCE = thing("type", "id name narrative description genre audience", id=URI, type=kinds("Evidence"))
PROFILE = thing(
    "id type",
    "name phone description address otherIdentifier",
    id={"type": "string", "pattern": "^(https://|urn:uuid:)"},
    type=kinds("Profile"),
    address=thing("type streetAddress", type=kinds("Address")),
    otherIdentifier=many(thing("type identifier identifierType", type={"const": "IdentifierEntry"})),
)
ACHIEVED = thing(
    "@context id type name issuer validFrom credentialSubject",
    "awardedDate evidence",
    **{"@context": many(URI, 2)},
    id=URI,
    type=kinds("VerifiableCredential", "AchievementCredential"),
    issuer=PROFILE,
    validFrom=MOMENT,
    awardedDate=MOMENT,
    evidence=many(EVIDENCE),
    credentialSubject=thing(
        "id type achievement",
        "result creditsEarned term narrative",
        id=URI,
        type=kinds("AchievementSubject"),
        identifier=many(IDENTITY),
        achievement=ACHIEVEMENT,
        result=many(RESULT),
        creditsEarned={"type": "number"},
    ),
)
CLR = thing(
    "@context id type name issuer validFrom credentialSubject partial termsOfUse",
    "description evidence credentialStatus proof",
    **{
        "@context": {
            "const": [
                "https://www.w3.org/ns/credentials/v2",
                "https://purl.imsglobal.org/spec/clr/v2p0/context-2.0.1.json",
                "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
            ]
        }
    },
    id=URI,
    type=kinds("VerifiableCredential", "ClrCredential"),
    issuer=PROFILE,
    validFrom=MOMENT,
    partial={"type": "boolean"},
    termsOfUse=many(thing("id type", id=URI, type=URI)),
    evidence=many(EVIDENCE),
    credentialStatus={"type": "object", "required": ["type"]},
    proof=thing(
        "type cryptosuite created verificationMethod proofPurpose @context proofValue",
        type={"const": "DataIntegrityProof"},
        cryptosuite={"const": "eddsa-jcs-2022"},
        created=MOMENT,
        verificationMethod=URI,
        proofPurpose={"const": "assertionMethod"},
        **{"@context": many(URI, 3)},
        proofValue={"type": "string", "pattern": "^z[1-9A-HJ-NP-Za-km-z]+$"},
    ),
    credentialSubject=thing(
        "id type identifier achievement verifiableCredential association",
        id=URI,
        type=kinds("ClrSubject"),
        identifier=many(IDENTITY),
        achievement=many(ACHIEVEMENT),
        verifiableCredential=many(ACHIEVED),
        association=many(
            thing(
                "type associationType sourceId targetId",
                type={"const": "Association"},
                associationType=one_of(
                    "exactMatchOf isChildOf isParentOf isPartOf isPeerOf isRelatedTo precedes replacedBy"
                ),
                sourceId=URI,
                targetId=URI,
            ),
            0,
        ),
    ),
)
