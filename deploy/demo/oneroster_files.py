"""Writes residents as OneRoster CSV files, with all the columns a real export has.

Most of these columns must never be imported: race, sex, passwords, phone numbers, state identifiers, birth places. They
are filled in on purpose, so that a reader who takes too much is found out.
"""

import csv
import io
import random
import zipfile
from collections.abc import Iterable, Mapping, Sequence

from deploy.demo.town import CAMPUSES, DISTRICT, Resident

ZIP_MOMENT = (2026, 9, 1, 6, 0, 0)  # fixed, so that the archives are the same byte for byte
FILES = (
    "academicSessions",
    "categories",
    "classes",
    "classResources",
    "courses",
    "courseResources",
    "demographics",
    "enrollments",
    "lineItems",
    "orgs",
    "resources",
    "results",
    "roles",
    "scoreScales",
    "userProfiles",
    "userResources",
    "users",
)
ORGS = "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId"
USERS_1_2 = (
    "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,sms,"
    "phone,agentSourcedIds,grades,password,userMasterIdentifier,resourceSourcedIds,preferredGivenName,"
    "preferredMiddleName,preferredFamilyName,primaryOrgSourcedId,pronouns"
)
USERS_1_1 = (
    "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,middleName,"
    "identifier,email,sms,phone,agentSourcedIds,grades,password"
)
ROLES = (
    "sourcedId,status,dateLastModified,userSourcedId,roleType,role,orgSourcedId,beginDate,endDate,userProfileSourcedId"
)
DEMOGRAPHICS = (
    "sourcedId,status,dateLastModified,birthDate,sex,americanIndianOrAlaskaNative,asian,blackOrAfricanAmerican,"
    "nativeHawaiianOrOtherPacificIslander,white,demographicRaceTwoOrMoreRaces,hispanicOrLatinoEthnicity,"
    "countryOfBirthCode,stateOfBirthAbbreviation,cityOfBirth,publicSchoolResidenceStatus"
)
_RACES = DEMOGRAPHICS.split(",")[5:12]


def table(header: str, rows: Iterable[Mapping[str, str]]) -> str:
    """A CSV file as text; columns that a row does not give stay empty."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, header.split(","), restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def manifest(version: str, present: Sequence[str], mode: str = "bulk") -> str:
    """The manifest of an export that holds these files."""
    rows = [("manifest.version", "1.0"), ("oneroster.version", version)]
    rows += [(f"file.{name}", mode if name in present else "absent") for name in FILES]
    rows += [("source.systemName", "Lanternworks SIS"), ("source.systemCode", "LW-9")]
    return table("propertyName,value", ({"propertyName": name, "value": value} for name, value in rows))


def orgs() -> str:
    """The cooperative and its two schools."""
    district = {"sourcedId": DISTRICT[0], "name": DISTRICT[1], "type": "district", "identifier": DISTRICT[2]}
    schools = [
        {
            "sourcedId": campus.sourced_id,
            "name": campus.name,
            "type": "school",
            "identifier": campus.identifier,
            "parentSourcedId": DISTRICT[0],
        }
        for campus in CAMPUSES
    ]
    return table(ORGS, [district, *schools])


def _user(person: Resident, number: int) -> dict[str, str]:
    return {
        "sourcedId": person.sourced_id,
        "enabledUser": "true",
        "username": f"user{number:04d}",
        "userIds": f"{{LDAP:cn=user{number:04d}}}",
        "givenName": person.given,
        "familyName": person.family,
        "middleName": person.middle,
        "identifier": f"STATE-ID-{7_000_000 + number * 37}",
        "email": person.email,
        "sms": f"+1-555-01{number % 100:02d}",
        "phone": f"+1-555-01{(number + 31) % 100:02d}",
        "agentSourcedIds": ",".join(person.agents),
        "grades": f"{person.grade:02d}" if person.grade else "",
        "password": f"never-import-me-{number:04d}",
    }


def users_1_2(people: Sequence[Resident]) -> str:
    """users.csv of version 1.2."""
    more = (
        {
            "userMasterIdentifier": f"MASTER-{number:05d}",
            "preferredGivenName": person.preferred,
            "primaryOrgSourcedId": person.campus.sourced_id,
            "pronouns": ("she/her", "he/him", "they/them", "")[number % 4],
        }
        for number, person in enumerate(people, start=1)
    )
    rows = (_user(person, number) for number, person in enumerate(people, start=1))
    return table(USERS_1_2, ({**one, **other} for one, other in zip(rows, more, strict=True)))


def users_1_1(people: Sequence[Resident]) -> str:
    """users.csv of version 1.1, which has no words for registrars and principals."""
    words = {"ext:registrar": "administrator", "principal": "administrator", "siteAdministrator": "administrator"}
    words["counselor"] = "teacher"
    return table(
        USERS_1_1,
        (
            {
                **_user(person, number),
                "orgSourcedIds": person.campus.sourced_id,
                "role": words.get(person.role, person.role),
            }
            for number, person in enumerate(people, start=1)
        ),
    )


def roles(people: Sequence[Resident]) -> str:
    """roles.csv of version 1.2."""
    rows = []
    for person in people:
        home = DISTRICT[0] if person.role == "districtAdministrator" else person.campus.sourced_id
        held = [("primary", person.role, home)]
        if person.second_role is not None:
            held.append(("secondary", *person.second_role))
        rows += [
            {
                "sourcedId": f"role-{person.sourced_id}-{at}",
                "userSourcedId": person.sourced_id,
                "roleType": kind,
                "role": role,
                "orgSourcedId": org,
                "beginDate": "2026-08-01",
            }
            for at, (kind, role, org) in enumerate(held, start=1)
        ]
    return table(ROLES, rows)


def demographics(people: Sequence[Resident]) -> str:
    """demographics.csv: a birth date, and twelve columns that are nobody's business here."""
    draw = random.Random(len(people))  # noqa: S311 - the same fillers on every run, nothing secret
    rows = []
    for person in people:
        if person.born is None:
            continue
        rows.append(
            {
                "sourcedId": person.sourced_id,
                "birthDate": person.born.isoformat(),
                "sex": draw.choice(("female", "male", "unspecified")),
                **{race: draw.choice(("true", "false")) for race in _RACES},
                "countryOfBirthCode": draw.choice(("US", "CA", "MX", "UA", "KR")),
                "stateOfBirthAbbreviation": draw.choice(("ME", "CO", "NM", "")),
                "cityOfBirth": draw.choice(("Neverimport City", "Port Leaveout", "")),
                "publicSchoolResidenceStatus": draw.choice(("01652", "01653")),
            }
        )
    return table(DEMOGRAPHICS, rows)


def archive(files: Mapping[str, str | bytes], *, packed: bool = False) -> bytes:
    """A ZIP that is the same byte for byte wherever it is made; unpacked inside unless it must be small."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as bundle:
        for name in sorted(files):
            content = files[name]
            entry = zipfile.ZipInfo(name, ZIP_MOMENT)
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            # Stored: deflate's output differs between zlib versions, and git packs the file anyway.
            entry.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
            bundle.writestr(entry, content if isinstance(content, bytes) else content.encode())
    return out.getvalue()
