"""The commands of records, a class for each desk of the registrar: drafts, seals, holds. Releases have none: see consumers."""

from services.records.handlers.drafts import Drafts
from services.records.handlers.holds import Holds
from services.records.handlers.seals import Seals

__all__ = ["Drafts", "Holds", "Seals"]
