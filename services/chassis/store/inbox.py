"""What was already handled: one small row per message, written in the transaction that handled it."""

from datetime import datetime

from services.chassis.store.shelf import Document


def row(message_id: str, at: datetime) -> Document:
    """Remembers a message. A second row of the same id can't be written: that is the point of it."""
    return {"_id": message_id, "at": at}
