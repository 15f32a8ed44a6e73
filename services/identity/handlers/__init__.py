"""One method per command: what it reads, which decision it asks for. Loading and committing is the chassis's."""

from services.identity.handlers.access import HOUSE, OPERATOR, Access, Enrolment, digest_of
from services.identity.handlers.birthdays import BirthdaysDue
from services.identity.handlers.organizations import Organizations
from services.identity.handlers.readers import Invitation, Invited, Readers
from services.identity.handlers.roster import ImportRoster, RosterImport

__all__ = [
    "HOUSE",
    "OPERATOR",
    "Access",
    "BirthdaysDue",
    "Enrolment",
    "ImportRoster",
    "Invitation",
    "Invited",
    "Organizations",
    "Readers",
    "RosterImport",
    "digest_of",
]
