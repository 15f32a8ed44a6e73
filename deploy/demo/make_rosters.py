"""Writes the demo's rosters: one good, one of the older version, one of changes, and some that are broken on purpose.

`python -m deploy.demo.make_rosters` writes `deploy/demo/data/roster-*.zip`; the same bytes on every run.
"""

from dataclasses import replace
from pathlib import Path

from deploy.demo import oneroster_files as write
from deploy.demo.town import Resident, residents

DATA = Path(__file__).parent / "data"
BOMB_ROWS = 5_000_000
_PRESENT = ("orgs", "users", "roles", "demographics")


def good() -> dict[str, str | bytes]:
    """Both schools, nothing wrong in it."""
    return _files_1_2(residents())


def older() -> dict[str, str | bytes]:
    """Thirty students of Mesa Verde with their families, in version 1.1."""
    people = _some("mv", students=30)
    return {
        "manifest.csv": write.manifest("1.1", ("orgs", "users", "demographics")),
        "orgs.csv": write.orgs(),
        "users.csv": write.users_1_1(people),
        "demographics.csv": write.demographics(people),
    }


def changes() -> dict[str, str | bytes]:
    """A delta: one guardian is removed, one student moves in with a guardian who is known already."""
    everybody = {person.sourced_id: person for person in residents()}
    gone = next(p for p in everybody.values() if p.sourced_id == "hp-gu-002")
    kept = everybody["hp-st-001"]
    newcomer = replace(kept, sourced_id="hp-st-900", given="Marguerite", preferred="", email="", agents=["hp-gu-001"])
    files = _files_1_2([newcomer], mode="delta")
    line = f"{gone.sourced_id},tobedeleted,2026-11-20T08:00:00.000Z" + "," * 20
    files["users.csv"] = str(files["users.csv"]) + line + "\r\n"
    del files["orgs.csv"]
    files["manifest.csv"] = write.manifest("1.2", ("users", "roles", "demographics"), mode="delta")
    return files


def windows_1252() -> dict[str, str | bytes]:
    """Saved by a spreadsheet in a Western encoding instead of UTF-8."""
    western = [p for p in _some("hp", students=60) if p.language in ("en", "es", "fr")]
    files = _files_1_2(western)
    files["users.csv"] = str(files["users.csv"]).encode("cp1252", "replace")
    return files


def bomb() -> dict[str, str | bytes]:
    """A users.csv that unpacks to 85 MB from a few hundred kilobytes."""
    files = _files_1_2(_some("hp", students=3))
    row = "x,,,true," + "," * 18 + "\r\n"
    files["users.csv"] = (write.USERS_1_2 + "\r\n" + row * BOMB_ROWS).encode()[: 85 * 1024 * 1024]
    return files


def dirty() -> dict[str, str | bytes]:
    """Forty students of Mesa Verde, and two dozen rows with a fault each. What is wrong is told in data/README.md."""
    people = [replace(person, agents=list(person.agents), second_role=None) for person in _some("mv", students=40)]
    students = [person for person in people if person.role == "student"]
    for student in students:
        student.agents = [agent for agent in student.agents if agent.startswith("mv-")]
    students[0].email = "not an address"
    students[1].given = "=HYPERLINK(0)"
    students[2].given = f"  {students[2].given}  "
    students[3].given = f"{students[3].given}\n{students[3].given}"
    students[4].agents = [*students[4].agents, "mv-gu-999"]
    students[5].agents = []
    students[6].born = None
    students[7].agents = [*students[7].agents, "mv-ed-01"]
    students[9].email = students[8].email
    files = _files_1_2(people)
    users = str(files["users.csv"]).split("\r\n")[:-1]
    copy = next(line for line in users if line.startswith("mv-st-001,"))
    width = len(write.USERS_1_2.split(","))
    users += [
        copy.replace("true", "false", 1),  # one key, other content
        next(line for line in users if line.startswith("mv-ed-02,")),  # the same row twice
        f",,,true{',' * (width - 4)}",  # no key
        f"mv-st-801,,,true{',' * (width - 4)}",  # no name
        "mv-st-802,,,true,short,,Row",  # too few cells
        f'mv-st-803,,,true,open,,"Quote,Left Open{"," * (width - 8)}',  # a quotation mark never closed
        f"mv-st-804,,,true,nul,,Nul\0,Character{',' * (width - 8)}",  # a NUL
        f"mv-st-805,,,true,none,,Without,Role{',' * (width - 8)}",  # no row in roles.csv
        f"mv-st-806,,,maybe,u,,Only{',' * (width - 7)}",  # one name, enabled neither true nor false
    ]
    files["users.csv"] = "\r\n".join(users) + "\r\n"
    roles = str(files["roles.csv"])
    for number, (person, role, org, end) in enumerate(
        (
            ("mv-st-806", "student", "org-mesa-verde", ""),
            ("mv-st-777", "student", "org-mesa-verde", ""),  # nobody
            ("mv-ed-01", "wizard", "org-mesa-verde", ""),  # no such role
            ("mv-ed-01", "aide", "org-mesa-verde", ""),  # a role without rights here
            ("mv-ed-01", "teacher", "org-nowhere", ""),  # no such school
            ("mv-ed-01", "principal", "org-mesa-verde", "30.06.2027"),  # a date in another form
            ("mv-gu-001", "relative", "org-mesa-verde", ""),  # does this relative act as a parent?
        )
    ):
        roles += f"role-dirty-{number},,,{person},primary,{role},{org},2026-08-01,{end},\r\n"
    files["roles.csv"] = roles
    files["demographics.csv"] = _dirty_birth_dates(str(files["demographics.csv"]), students)
    files["orgs.csv"] = (
        str(files["orgs.csv"]) + "org-odd,,,Odd Kind,academy,,\r\norg-lost,,,Lost Child,school,,org-x\r\n"
    )
    return files


def _dirty_birth_dates(demographics: str, students: list[Resident]) -> str:
    for student, text in zip(students[10:13], ("05/31/2010", "2091-01-01", "1810-01-01"), strict=True):
        assert student.born is not None
        demographics = demographics.replace(f"{student.sourced_id},,,{student.born}", f"{student.sourced_id},,,{text}")
    return demographics + f"mv-st-777,,,2010-01-01{',' * 12}\r\n"


def _files_1_2(people: list[Resident], mode: str = "bulk") -> dict[str, str | bytes]:
    return {
        "manifest.csv": write.manifest("1.2", _PRESENT, mode),
        "orgs.csv": write.orgs(),
        "users.csv": write.users_1_2(people),
        "roles.csv": write.roles(people),
        "demographics.csv": write.demographics(people),
    }


def _some(campus: str, *, students: int) -> list[Resident]:
    """The first students of a school with their guardians, and its staff."""
    here = [person for person in residents() if person.campus.key == campus]
    chosen = [person for person in here if person.role == "student"][:students]
    agents = {agent for person in chosen for agent in person.agents}
    for person in chosen:
        person.agents = [agent for agent in person.agents if agent.startswith(campus)]
    ids = {person.sourced_id for person in chosen} | agents
    return [p for p in here if p.sourced_id in ids or p.role not in ("student", "parent", "guardian")]


def rosters() -> dict[str, bytes]:
    """Every roster file of the demo by its name."""
    whole = write.archive(good())
    return {
        "roster-harbor-point.zip": whole,
        "roster-1.1.zip": write.archive(older()),
        "roster-delta.zip": write.archive(changes()),
        "roster-dirty-rows.zip": write.archive(dirty()),
        "roster-windows-1252.zip": write.archive(windows_1252()),
        "roster-truncated.zip": whole[: len(whole) * 6 // 10],
        "roster-bomb.zip": write.archive(bomb(), packed=True),
    }


def main() -> None:
    """Writes the files."""
    DATA.mkdir(exist_ok=True)
    for name, content in rosters().items():
        (DATA / name).write_bytes(content)
        print(f"{name}: {len(content):,} bytes")


if __name__ == "__main__":
    main()
