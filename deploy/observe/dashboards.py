"""The two dashboards: the service's, for whoever keeps it running, and the deliveries', for a registrar's office.

Neither can name a student, a school or a recipient: our metrics have no such label. The second speaks of the whole house;
what became of one transcript is on its own page in the house.
"""

from typing import Any

from deploy.observe.panels import Ask, Level, Panel, Row, dashboard
from services.delivery.domain import OLDEST_WATERMARK

_IN = 'namespace="$namespace"'
_BAD_ABOVE_NONE: tuple[Level, ...] = (("green", None), ("red", 1))
_WATERMARK = OLDEST_WATERMARK.total_seconds()
_DAY = "24h"
_WAITING, _FAILED, _NOT_TOLD = 'state="waiting"', 'status=~"5.."', 'state=~"failing|disabled"'


def _of(name: str, *more: str) -> str:
    """A metric in the chosen namespace."""
    return f"{name}{{{','.join((_IN, *more))}}}"


def _part(name: str, share: str, *more: str, by: str = "", window: str = "5m") -> str:
    """The value below which this share of a histogram lies."""
    grouped = ", ".join(("le", *([by] if by else ())))
    return f"histogram_quantile({share}, sum by ({grouped}) (rate({_of(f'{name}_bucket', *more)}[{window}])))"


def _grown(name: str, *more: str, by: str = "", window: str = "5m", how: str = "rate") -> str:
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} ({how}({_of(name, *more)}[{window}]))"


_PROMISES = Row(
    title="Promises",
    panels=[
        Panel(
            title="Age of what is known of revocations",
            about="The oldest watermark that delivery believes. Above 20 s nothing is disclosed.",
            asks=[Ask(f"max ({_of('placet_watermark_age_seconds')})")],
            unit="s",
            kind="stat",
            width=4,
            height=4,
            levels=(("green", None), ("orange", _WATERMARK / 2), ("red", _WATERMARK)),
        ),
        Panel(
            title="Consent's records unread",
            about="What they are about is not disclosed until they are replayed or dismissed.",
            asks=[Ask(f"max ({_of('placet_unread_consent_records')})")],
            kind="stat",
            width=4,
            height=4,
            levels=_BAD_ABOVE_NONE,
        ),
        Panel(
            title="Records set aside",
            about="Of all services, waiting for a person: placet aside list.",
            asks=[
                Ask(f"sum (max by (service, kind, state) ({_of('placet_set_aside_records', _WAITING)}))"),
            ],
            kind="stat",
            width=4,
            height=4,
            levels=_BAD_ABOVE_NONE,
        ),
        Panel(
            title="Oldest row in an outbox",
            about="Normally gone in a tenth of a second.",
            asks=[Ask(f"max ({_of('placet_outbox_oldest_row_seconds')})")],
            unit="s",
            kind="stat",
            width=4,
            height=4,
            levels=(("green", None), ("orange", 5), ("red", 30)),
        ),
        Panel(
            title="Checks that fail everywhere",
            about="Checks of readiness that hold in no copy of a process.",
            asks=[
                Ask(f"count (max by (service, role, check) ({_of('placet_ready')}) == 0) or vector(0)"),
            ],
            kind="stat",
            width=4,
            height=4,
            levels=_BAD_ABOVE_NONE,
        ),
        Panel(
            title="Days until the first certificate ends",
            about="Kafka's authority, MongoDB's, and the seal on documents.",
            asks=[Ask(f"(min ({_of('placet_certificate_expires_timestamp_seconds')} > 0) - time()) / 86400")],
            unit="d",
            kind="stat",
            width=4,
            height=4,
            levels=(("red", None), ("orange", 3), ("green", 21)),
        ),
    ],
)

_WEB = Row(
    title="Web",
    panels=[
        Panel(
            title="Requests",
            about="Answered by each service; health and metrics are not counted.",
            asks=[Ask(_grown("placet_http_request_seconds_count", by="service"), "{{service}}")],
            unit="reqps",
        ),
        Panel(
            title="Share of 5xx",
            about="Promised is 0.1 % of a month.",
            asks=[
                Ask(
                    f"{_grown('placet_http_request_seconds_count', _FAILED, by='service')} / "
                    f"{_grown('placet_http_request_seconds_count', by='service')}",
                    "{{service}}",
                )
            ],
            unit="percentunit",
            levels=(("green", None), ("red", 0.001)),
        ),
        Panel(
            title="99 of 100 answers within",
            about="Promised of consent is a second for 999 of 1 000.",
            asks=[Ask(_part("placet_http_request_seconds", "0.99", by="service"), "{{service}}")],
            unit="s",
            levels=(("green", None), ("red", 1)),
        ),
    ],
)

_PATH = Row(
    title="From approval to available",
    panels=[
        Panel(
            title="Age of an approval at records, of a release at delivery",
            about="From the commit to the verdict: half of them, and 99 of 100. Promised are 5 s a hop.",
            asks=[
                Ask(
                    _part("placet_event_age_seconds", share, f'service="{name}"', f'type="{type_}"'),
                    f"{name} {share}",
                )
                for name, type_ in (
                    ("records", "consent.request.approved.v1"),
                    ("delivery", "records.transcript.released.v1"),
                )
                for share in ("0.5", "0.99")
            ],
            unit="s",
            levels=(("green", None), ("red", 5)),
        ),
        Panel(
            title="Lag",
            about="Records not yet polled.",
            asks=[
                Ask(f"sum by (service, topic) ({_of('placet_consumer_lag_records')})", "{{service}} ← {{topic}}"),
            ],
            levels=(("green", None), ("red", 1000)),
        ),
        Panel(
            title="Oldest outbox row",
            about="What is committed and has not left.",
            asks=[Ask(f"max by (service) ({_of('placet_outbox_oldest_row_seconds')})", "{{service}}")],
            unit="s",
            levels=(("green", None), ("red", 30)),
        ),
        Panel(
            title="Said",
            about="Rows that Kafka acknowledged. consent.requests never rests: watermarks are there every 5 s.",
            asks=[Ask(_grown("placet_outbox_sent_total", by="topic"), "{{topic}}")],
            unit="cps",
        ),
        Panel(
            title="Heard, by how it ended",
            about="aside and failed wait for a person; known was heard before, passed concerns nobody here.",
            asks=[Ask(_grown("placet_messages_total", by="service, outcome"), "{{service}} {{outcome}}")],
            unit="cps",
        ),
        Panel(
            title="Again, refused, not committed",
            about="Poll batches read again, rows that Kafka did not take, offset commits that failed. Harmless one by one.",
            asks=[
                Ask(_grown("placet_batches_again_total", by="service"), "{{service}} batches again"),
                Ask(_grown("placet_outbox_refused_total", by="service, reason"), "{{service}} refused {{reason}}"),
                Ask(
                    _grown("placet_commits_failed_total", by="service, reason"), "{{service}} not committed {{reason}}"
                ),
            ],
            unit="cps",
        ),
    ],
)

_OUTSIDE = Row(
    title="The outside world",
    panels=[
        Panel(
            title="Endpoints",
            about="Healthy, failing at this moment, disabled.",
            asks=[Ask(f"max by (state) ({_of('placet_webhook_endpoints')})", "{{state}}")],
        ),
        Panel(
            title="Notices that wait",
            about="By the class of the endpoint they are for.",
            asks=[Ask(f"max by (state) ({_of('placet_webhook_notices_waiting')})", "{{state}}")],
        ),
        Panel(
            title="Acts on the outside world",
            about="Webhooks, mails, packages: by how they ended.",
            asks=[Ask(_grown("placet_duty_acts_total", by="operation, outcome"), "{{operation}} {{outcome}}")],
            unit="cps",
        ),
        Panel(
            title="99 of 100 acts take",
            about="A webhook has 15 s, a mail 10.",
            asks=[Ask(_part("placet_duty_act_seconds", "0.99", by="operation"), "{{operation}}")],
            unit="s",
        ),
        Panel(
            title="Mails",
            about="Attempts by how they ended; later: not taken, tried again.",
            asks=[Ask(_grown("placet_mails_total", by="outcome", window="30m", how="increase"), "{{outcome}}")],
        ),
        Panel(
            title="9 of 10 mails wait at most",
            about="From the commit to the mail server's yes.",
            asks=[Ask(_part("placet_mail_wait_seconds", "0.9", window="30m"), "wait")],
            unit="s",
        ),
    ],
)

_GROUND = Row(
    title="What it stands on",
    panels=[
        Panel(
            title="MongoDB's majority behind the primary",
            about="Every write waits for it.",
            asks=[Ask(f"max ({_of('placet_mongodb_majority_lag_seconds')})", "behind")],
            unit="s",
            levels=(("green", None), ("red", 30)),
        ),
        Panel(
            title="Relays that lead",
            about="One of each service.",
            asks=[Ask(f"sum by (service) ({_of('placet_relay_leads')})", "{{service}}")],
        ),
        Panel(
            title="Age of signing keys",
            about="Drawn anew each year.",
            asks=[Ask(f"time() - max by (key) ({_of('placet_key_made_timestamp_seconds')} > 0)", "{{key}}")],
            unit="s",
        ),
    ],
)


def service() -> dict[str, Any]:
    """For whoever keeps it running."""
    return dashboard(
        uid="placet-service",
        title="Placet: the service",
        about="What is promised, the way of a release, the outside world, what it stands on. Alerts lead to deploy/runbooks.",
        rows=[_PROMISES, _WEB, _PATH, _OUTSIDE, _GROUND],
        span="6h",
    )


_DONE = 'outcome="handled"'
_APPROVED = (_DONE, 'service="records"', 'type="consent.request.approved.v1"')


def _today(title: str, about: str, expr: str) -> Panel:
    return Panel(title=title, about=about, asks=[Ask(f"round({expr})")], kind="stat", width=4, height=4)


_TODAY = Row(
    title="The last 24 hours",
    panels=[
        _today(
            "Approved",
            "Requests with every signature, as records has heard of them.",
            _grown("placet_messages_total", *_APPROVED, window=_DAY, how="increase"),
        ),
        _today(
            "Ready for the recipient",
            "Transcripts that a recipient can open.",
            _grown("placet_approval_to_available_seconds_count", window=_DAY, how="increase"),
        ),
        _today(
            "Opened",
            "First openings: each is a disclosure, with its row in the ledger.",
            _grown("placet_approval_to_disclosure_seconds_count", window=_DAY, how="increase"),
        ),
        _today(
            "Taken back",
            "Revocations that delivery has heard of; also of what was never released.",
            _grown(
                "placet_messages_total",
                _DONE,
                'service="delivery"',
                'type="consent.request.revoked.v1"',
                window=_DAY,
                how="increase",
            ),
        ),
        _today(
            "Mails sent",
            "To families, schools and recipients.",
            _grown("placet_mails_total", 'outcome="sent"', window=_DAY, how="increase"),
        ),
        _today(
            "People without an address",
            "Messages to people whom the school has to tell on paper.",
            _grown("placet_mails_total", 'outcome="no-address"', window=_DAY, how="increase"),
        ),
    ],
)

_TIME = Row(
    title="How long it takes",
    panels=[
        Panel(
            title="From approval to ready",
            about="Half of them, and 9 of 10. Seconds when nothing holds it; a school's own hold counts in.",
            asks=[
                Ask(_part("placet_approval_to_available_seconds", share, window="1h"), f"{share}")
                for share in ("0.5", "0.9")
            ],
            unit="s",
            width=12,
        ),
        Panel(
            title="From approval to opened",
            about="Half of them, and 9 of 10: here the recipient's office is part of it.",
            asks=[
                Ask(_part("placet_approval_to_disclosure_seconds", share, window=_DAY), f"{share}")
                for share in ("0.5", "0.9")
            ],
            unit="s",
            width=12,
        ),
        Panel(
            title="Approved, ready, opened in an hour",
            about="Lines that part tell of a hold, of recipients who do not open, or of trouble.",
            asks=[
                Ask(_grown("placet_messages_total", *_APPROVED, window="1h", how="increase"), "approved"),
                Ask(_grown("placet_approval_to_available_seconds_count", window="1h", how="increase"), "ready"),
                Ask(_grown("placet_approval_to_disclosure_seconds_count", window="1h", how="increase"), "opened"),
            ],
            width=12,
        ),
        Panel(
            title="Recipients that can't be told at this moment",
            about="Failing are tried again for three days; disabled are told nothing. What is released lies ready for both.",
            asks=[Ask(f"max by (state) ({_of('placet_webhook_endpoints', _NOT_TOLD)})", "{{state}}")],
            width=12,
        ),
    ],
)


def deliveries() -> dict[str, Any]:
    """For a registrar's office."""
    return dashboard(
        uid="placet-deliveries",
        title="Placet: deliveries",
        about=(
            "What becomes of approved transcripts, in the whole house. Numbers alone, of nobody in particular: what became of one "
            "transcript is on its page under /delivery/, and in the ledger."
        ),
        rows=[_TODAY, _TIME],
        span="7d",
    )


BOARDS = {"service": service, "deliveries": deliveries}
"""By the name of their file."""
