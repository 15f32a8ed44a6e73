"""Services that are wrong in one place each: what the machine must find. Each makes its one change by monkeypatch."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from joserfc.jwk import KeySet

from contracts import grant as grants
from contracts.grant import Grant
from contracts.types import Standing
from services.chassis.decision import Decision
from services.chassis.store import inbox
from services.consent.domain import ending, signing
from services.delivery.api import desk
from services.delivery.domain import disclosing, releasing
from services.delivery.domain import ending as delivery_ending
from services.delivery.domain.state import Status
from services.records.domain import releasing as records_releasing
from services.records.domain.state import ReleaseStatus, Transcript

Mutant = Callable[[pytest.MonkeyPatch], None]
MUTANTS: dict[str, Mutant] = {}


def mutant(make: Mutant) -> Mutant:
    MUTANTS[make.__name__.replace("_", " ")] = make
    return make


def _disclosing(patch: pytest.MonkeyPatch, change: Callable[[Any, Any, Any, Any], tuple[Any, Any, Any, Any]]) -> None:
    """`may_disclose`, asked about something a little better than what is."""
    may_disclose = disclosing.may_disclose

    def wrong(delivery: Any, recipient_ids: Any, *, around: Any, at: Any) -> Any:
        if delivery is None:
            return may_disclose(delivery, recipient_ids, around=around, at=at)
        better, recipients, surroundings, when = change(delivery, recipient_ids, around, at)
        verdict = may_disclose(better, recipients, around=surroundings, at=when)
        return delivery if verdict is better else verdict

    patch.setattr(disclosing, "may_disclose", wrong)


@mutant
def the_revocation_is_not_asked_for_at_opening(patch: pytest.MonkeyPatch) -> None:
    def change(delivery: Any, recipients: Any, around: Any, at: Any) -> Any:
        status = Status.AVAILABLE if delivery.status is Status.CANCELLED else delivery.status
        return replace(delivery, status=status), recipients, replace(around, revocation=None), at

    _disclosing(patch, change)


@mutant
def any_recipient_may_open(patch: pytest.MonkeyPatch) -> None:
    _disclosing(patch, lambda delivery, _, around, at: (delivery, [delivery.recipient_id], around, at))


@mutant
def an_approval_that_has_run_out_still_opens(patch: pytest.MonkeyPatch) -> None:
    _disclosing(
        patch,
        lambda one, who, around, at: (replace(one, expires_at=datetime.max.replace(tzinfo=at.tzinfo)), who, around, at),
    )


@mutant
def a_suspended_recipient_may_open(patch: pytest.MonkeyPatch) -> None:
    def change(delivery: Any, recipients: Any, around: Any, at: Any) -> Any:
        known = around.recipient
        verified = replace(known, standing=Standing.VERIFIED) if known else None
        return delivery, recipients, replace(around, recipient=verified), at

    _disclosing(patch, change)


@mutant
def old_watermarks_are_good_enough(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(disclosing, "freshness", lambda watermarks, at: None)


@mutant
def bytes_that_took_long_are_not_asked_about_again(patch: pytest.MonkeyPatch) -> None:
    async def package(self: Any, caller: Any, delivery_id: Any) -> Any:
        return await self._packages.fetch(await self._may_fetch(caller, delivery_id))

    patch.setattr(desk.Desk, "package", package)


@mutant
def the_ledger_is_not_written(patch: pytest.MonkeyPatch) -> None:
    open_delivery = disclosing.open_delivery

    def wrong(*args: Any, **words: Any) -> Any:
        verdict = open_delivery(*args, **words)
        return replace(verdict, also=()) if isinstance(verdict, Decision) else verdict

    patch.setattr("services.delivery.domain.open_delivery", wrong)


def _mismatch(patch: pytest.MonkeyPatch, *ignored: str) -> None:
    mismatch = releasing.mismatch

    def wrong(release: Any, grant: Grant) -> str | None:
        allowed = {name: getattr(grant, name) for name in ignored}
        return mismatch(release.model_copy(update=allowed), grant)

    patch.setattr("services.delivery.domain.mismatch", wrong)


@mutant
def delivery_does_not_compare_digests(patch: pytest.MonkeyPatch) -> None:
    _mismatch(patch, "package_digest")


@mutant
def delivery_does_not_compare_recipients(patch: pytest.MonkeyPatch) -> None:
    _mismatch(patch, "recipient_id")


@mutant
def delivery_takes_a_grant_twice(patch: pytest.MonkeyPatch) -> None:
    receive = releasing.receive

    def wrong(command: Any, *, already: Any, siblings: Any, **words: Any) -> Any:
        return receive(command, already=None, siblings=(), **words)

    patch.setattr("services.delivery.domain.receive", wrong)


@mutant
def delivery_forgets_a_revocation_heard_before_its_release(patch: pytest.MonkeyPatch) -> None:
    receive = releasing.receive
    patch.setattr(
        "services.delivery.domain.receive", lambda command, **words: receive(command, **{**words, "revocation": None})
    )


@mutant
def delivery_lets_a_revoked_delivery_stand(patch: pytest.MonkeyPatch) -> None:
    cancel = delivery_ending.cancel
    patch.setattr(
        "services.delivery.domain.cancel", lambda command, **words: cancel(command, **{**words, "deliveries": ()})
    )


@mutant
def records_releases_without_looking_at_the_signature(patch: pytest.MonkeyPatch) -> None:
    def wrong(token: str, _: KeySet, *, audience: str, now: datetime) -> Grant:
        payload = token.split(".")[1]
        return Grant.model_validate(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))

    patch.setattr(grants, "verify", wrong)


@mutant
def records_releases_one_grant_twice(patch: pytest.MonkeyPatch) -> None:
    release = records_releasing.release

    def wrong(known: Any, command: Any, *, transcript: Any) -> Any:
        again = known is not None and known.grant_id is not None and known.status is not ReleaseStatus.ENDED
        verdict = release(None if again else known, command, transcript=transcript)
        if not again or not isinstance(verdict, Decision):
            return verdict
        later = replace(verdict.state, version=known.version + 1)
        return Decision(later, [records_releasing._event(later)])

    patch.setattr(records_releasing, "release", wrong)


@mutant
def records_ignores_a_hold(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Transcript, "held", lambda self, at: False)


@mutant
def records_ignores_a_withdrawal(patch: pytest.MonkeyPatch) -> None:
    settle = records_releasing._settle
    patch.setattr(
        records_releasing,
        "_settle",
        lambda ready, transcript, at: settle(ready, replace(transcript, withdrawn_through=0), at),
    )


@mutant
def records_forgets_a_revocation_heard_before_its_approval(patch: pytest.MonkeyPatch) -> None:
    revoke = records_releasing.revoke
    patch.setattr(
        records_releasing, "revoke", lambda known, command: revoke(known, command) if known else ending.NO_SUCH_REQUEST
    )


@mutant
def records_lets_a_revoked_release_wait(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(records_releasing, "revoke", lambda known, command: ending.NO_SUCH_REQUEST)


@mutant
def anybody_may_sign(patch: pytest.MonkeyPatch) -> None:
    class Everybody(tuple[str, ...]):
        __slots__ = ()

        def __contains__(self, _: object) -> bool:
            return True

    patch.setattr(signing, "who_signs", lambda student: Everybody())


@mutant
def what_was_shown_is_not_compared(patch: pytest.MonkeyPatch) -> None:
    ready = signing._ready

    def wrong(request: Any, command: Any, around: Any) -> Any:
        shown = request.package.digest if request.package else command.shown
        return ready(request, replace(command, shown=shown), around)

    patch.setattr(signing, "_ready", wrong)


@mutant
def a_guardians_signature_outlives_their_rights(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("services.consent.domain.following.readdress", lambda request, **_: ending.NO_SUCH_REQUEST)


@mutant
def a_revocation_is_not_said(patch: pytest.MonkeyPatch) -> None:
    revoke = ending.revoke

    def wrong(*args: Any, **words: Any) -> Any:
        verdict = revoke(*args, **words)
        return replace(verdict, events=()) if isinstance(verdict, Decision) else verdict

    patch.setattr("services.consent.domain.revoke", wrong)


@mutant
def a_message_is_handled_again_after_a_crash(patch: pytest.MonkeyPatch) -> None:
    """And its aggregate does not look at what it was: each time is the first."""
    patch.setattr(inbox, "row", lambda message_id, at: {"_id": f"{message_id}{at}", "at": at})
    delivery_takes_a_grant_twice(patch)
