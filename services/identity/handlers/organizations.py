"""Organizations and their programs: one method per command."""

from collections.abc import Callable, Iterable
from datetime import datetime

from services.chassis.decision import Decision, Refusal
from services.chassis.store.work import AlreadyDone, Job, Known, Many, Need, One, Verdict, Work
from services.identity import domain
from services.identity.domain import Client, CreateClient, Organization, RecordOrganization, SetStanding
from services.identity.store import BIRTHDAYS, CLIENTS, ORGANIZATIONS


class Organizations:
    """Commands about organizations and their API clients."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def record(self, command: RecordOrganization, *, cause: str) -> Decision[Organization] | Refusal:
        source = command.source or command.organization_id

        def reads(_: Known) -> Iterable[Need]:
            yield One(ORGANIZATIONS, command.organization_id)
            yield One(BIRTHDAYS, command.organization_id)
            yield Many(ORGANIZATIONS, "source", source)

        def decide(known: Known) -> Verdict:
            return domain.record_organization(
                known.one(ORGANIZATIONS, command.organization_id),
                command,
                of_source=known.many(ORGANIZATIONS, "source", source),
                birthdays=known.one(BIRTHDAYS, command.organization_id),
            )

        return await self._about(command.organization_id, cause, command.at, reads, decide)

    async def set_standing(self, command: SetStanding, *, cause: str) -> Decision[Organization] | Refusal:
        def reads(_: Known) -> Iterable[Need]:
            yield One(ORGANIZATIONS, command.organization_id)

        def decide(known: Known) -> Verdict:
            return domain.set_standing(known.one(ORGANIZATIONS, command.organization_id), command)

        return await self._about(command.organization_id, cause, command.at, reads, decide)

    async def create_client(self, command: CreateClient) -> Decision[Client] | Refusal:
        """Credentials are drawn afresh each time: a command is never repeated."""

        def reads(_: Known) -> Iterable[Need]:
            yield One(ORGANIZATIONS, command.organization_id)

        def decide(known: Known) -> Verdict:
            return domain.create_client(known.one(ORGANIZATIONS, command.organization_id), command)

        return await self._client(command.client_id, command.at, reads, decide)

    async def revoke_client(self, client_id: str, *, at: datetime) -> Decision[Client] | Refusal:
        def reads(_: Known) -> Iterable[Need]:
            yield One(CLIENTS, client_id)

        def decide(known: Known) -> Verdict:
            return domain.revoke_client(known.one(CLIENTS, client_id))

        return await self._client(client_id, at, reads, decide)

    async def _client(
        self, client_id: str, at: datetime, reads: Callable[[Known], Iterable[Need]], decide: Callable[[Known], Verdict]
    ) -> Decision[Client] | Refusal:
        outcome = await self._work.carry_out(
            Job(cause=f"client:{client_id}", at=at, reads=reads, decide=decide, correlation=client_id)
        )
        assert not isinstance(outcome, AlreadyDone)  # only `once` makes that answer
        return outcome

    async def _about(
        self,
        organization_id: str,
        cause: str,
        at: datetime,
        reads: Callable[[Known], Iterable[Need]],
        decide: Callable[[Known], Verdict],
    ) -> Decision[Organization] | Refusal:
        job = Job(cause=cause, at=at, reads=reads, decide=decide, once=True, correlation=organization_id)
        outcome = await self._work.carry_out(job)
        if isinstance(outcome, AlreadyDone):
            # The same command again: the answer is the organization as it is now.
            found = await self._work.store.find(ORGANIZATIONS, {"_id": organization_id}, limit=1)
            return Decision(found[0]) if found else domain.NO_SUCH_ORGANIZATION
        return outcome
