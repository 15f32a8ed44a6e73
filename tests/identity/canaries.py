"""What must be readable nowhere: the cells of a roster's personal columns."""

import csv
import io
import zipfile

LISTED_NOWHERE = frozenset(
    {"sms", "phone", "password", "userIds", "identifier", "username", "userMasterIdentifier", "cityOfBirth"}
)
"""Columns that are not read at all."""
PERSONAL = LISTED_NOWHERE | {
    "givenName", "familyName", "middleName", "email", "birthDate", "preferredGivenName", "preferredFamilyName"
}  # fmt: skip


def cells_of(archive: bytes, columns: frozenset[str]) -> set[str]:
    """What stands in these columns; short cells would be found anywhere by chance."""
    found: set[str] = set()
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        for name in ("users.csv", "demographics.csv"):
            for row in csv.DictReader(io.StringIO(files.read(name).decode("utf-8-sig"))):
                found |= {row[column] for column in columns & row.keys() if len(row[column]) > 5}
    return found
