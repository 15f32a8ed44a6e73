"""A small OneRoster 1.2 export that tests bend to their needs."""

import io
import zipfile
from collections.abc import Callable, Mapping
from datetime import date

import pytest

TODAY = date(2026, 11, 24)

Files = dict[str, str | bytes]

MANIFEST = """propertyName,value
manifest.version,1.0
oneroster.version,1.2
file.orgs,bulk
file.users,bulk
file.roles,bulk
file.demographics,bulk
source.systemName,Test System
"""
ORGS = """sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId
d1,,,Coast District,district,,
s1,,,Harbor School,school,NC-001,d1
"""
USERS_HEADER = (
    "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,"
    "sms,phone,agentSourcedIds,grades,password,userMasterIdentifier,preferredGivenName,preferredMiddleName,"
    "preferredFamilyName,primaryOrgSourcedId,pronouns\n"
)
ROLES_HEADER = "sourcedId,status,dateLastModified,userSourcedId,roleType,role,orgSourcedId,beginDate,endDate,userProfileSourcedId\n"
DEMOGRAPHICS_HEADER = "sourcedId,status,dateLastModified,birthDate,sex,asian,white,cityOfBirth\n"


def user(sid: str, given: str = "Ada", family: str = "Ashby", *, email: str = "", agents: str = "") -> str:
    """A line of users.csv with the cells that matter here."""
    quoted = f'"{agents}"' if "," in agents else agents
    return f"{sid},,,true,u-{sid},,{given},{family},,,{email},,,{quoted},10,,,,,,,\n"


def role(sid: str, word: str, org: str = "s1", *, begin: str = "", end: str = "", kind: str = "primary") -> str:
    """A line of roles.csv."""
    return f"r-{sid}-{word}-{org},,,{sid},{kind},{word},{org},{begin},{end},\n"


def small_roster() -> Files:
    """One student, her guardian and a teacher; nothing is wrong with it."""
    return {
        "manifest.csv": MANIFEST,
        "orgs.csv": ORGS,
        "users.csv": USERS_HEADER
        + user("st1", "Ada", "Ashby", email="ada@students.example.org", agents="gu1")
        + user("gu1", "Bela", "Ashby", email="bela@home.example.org")
        + user("te1", "Cleo", "Moss", email="cleo@harbor.example.org"),
        "roles.csv": ROLES_HEADER + role("st1", "student") + role("gu1", "guardian") + role("te1", "teacher"),
        "demographics.csv": DEMOGRAPHICS_HEADER + "st1,,,2010-02-03,female,false,true,Springfield\n",
    }


def zip_of(files: Mapping[str, str | bytes], folder: str = "") -> bytes:
    """The archive of these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(folder + name, content)
    return out.getvalue()


@pytest.fixture
def today() -> date:
    return TODAY


@pytest.fixture
def roster() -> Files:
    return small_roster()


@pytest.fixture
def zipped() -> Callable[..., bytes]:
    return zip_of
