"""How a command about a transcript is carried out: once for each cause; asked again, it answers how things stand."""

from collections.abc import Callable, Iterable
from datetime import datetime

from contracts.types import TranscriptId
from services.chassis.decision import Decision, Refusal
from services.chassis.store.work import AlreadyDone, Job, Known, Need, One, Verdict, Work
from services.records.domain.drafting import NO_SUCH_TRANSCRIPT
from services.records.domain.state import Transcript
from services.records.store import TRANSCRIPTS, Questions


async def carry_out(
    work: Work,
    transcript_id: TranscriptId,
    *,
    cause: str,
    at: datetime,
    needs: Iterable[Need] = (),
    decide: Callable[[Known, Transcript | None], Verdict],
) -> Decision[Transcript] | Refusal:
    """One command about one transcript. `needs` is what it reads beside the transcript itself."""

    def reads(_: Known) -> Iterable[Need]:
        return (One(TRANSCRIPTS, transcript_id), *needs)

    def decided(known: Known) -> Verdict:
        return decide(known, known.one(TRANSCRIPTS, transcript_id))

    outcome = await work.carry_out(Job(cause=cause, at=at, reads=reads, decide=decided, once=True))
    if isinstance(outcome, AlreadyDone):
        found = await Questions(work.store).transcript(transcript_id)
        return Decision(found) if found is not None else NO_SUCH_TRANSCRIPT
    return outcome
