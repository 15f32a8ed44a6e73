"""The notice that is read before signing. Texts are added, never edited: a signature cites the digest of the very text."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Notice:
    """One version of the notice in one language."""

    notice_id: str
    language: str
    text: str

    @property
    def digest(self) -> str:
        return "sha256:" + hashlib.sha256(self.text.encode()).hexdigest()


NOTICES = (
    Notice(
        "consent-2026-1",
        "en",
        "You agree that the school sends exactly the document shown here, with the parts listed, to the recipient named, "
        "for the purpose named, until the date given. The recipient may use it for that purpose only and may not pass it "
        "on without a new agreement (34 CFR 99.33). You need not agree, and nothing is held against you if you refuse. You "
        "can take your agreement back at any time on this page; what the recipient has already opened stays with it. You "
        "may have a copy of what is sent. Every disclosure is kept in a record that you can read.",
    ),
    Notice(
        "consent-2026-1",
        "es",
        "Usted acepta que la escuela envíe exactamente el documento que se muestra aquí, con las partes indicadas, al "
        "destinatario nombrado, para el fin nombrado y hasta la fecha indicada. El destinatario solo puede usarlo para ese "
        "fin y no puede cederlo sin un nuevo acuerdo (34 CFR 99.33). No está obligado a aceptar y negarse no le perjudica. "
        "Puede retirar su acuerdo en cualquier momento en esta página; lo que el destinatario ya haya abierto queda en su "
        "poder. Puede recibir una copia de lo que se envía. Cada entrega queda anotada en un registro que usted puede leer.",
    ),
)
_NEWEST = {notice.language: notice for notice in NOTICES}


def notice_in(language: str) -> Notice:
    """The newest notice in this language; English where we have none."""
    return _NEWEST.get(language[:2].lower(), _NEWEST["en"])


def is_notice(digest: str) -> bool:
    """Whether a digest is that of the newest notice in a language of ours: an older text is no longer signed."""
    return any(digest == notice.digest for notice in _NEWEST.values())
