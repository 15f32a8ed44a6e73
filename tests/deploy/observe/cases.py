"""When each alert fires and when it keeps quiet: series of a house in trouble, and of one that is nearly in trouble.

Values are written as promtool takes them: `a+bxn` begins at a and grows by b, n times. Every pod of ours is in the namespace `placet`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contracts.topics import SERVICES

Series = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Fired:
    """An alert, as whoever is called reads it."""

    severity: str
    says: str
    labels: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One alert at one time. With `fires` empty it keeps quiet."""

    alert: str
    about: str
    series: Series
    at: str = "30m"
    every: str = "1m"
    fires: Sequence[Fired] = ()


def of(name: str, *, pod: str = "a", **labels: str) -> str:
    """A series of ours. A label may be called `le` or `type`; none is called `pod`."""
    said = {"namespace": "placet", "pod": pod, **labels}
    return name + "{" + ",".join(f'{label}="{value}"' for label, value in said.items()) + "}"


def here(**labels: str) -> dict[str, str]:
    return {"namespace": "placet", **labels}


def page(says: str, **labels: str) -> Fired:
    return Fired(severity="page", says=says, labels=here(**labels))


def ticket(says: str, **labels: str) -> Fired:
    return Fired(severity="ticket", says=says, labels=here(**labels))


def requests(status: str) -> str:
    return of("placet_http_request_seconds_count", service="consent", route="/consent/requests", status=status)


def answers(le: str = "") -> str:
    name = "placet_http_request_seconds_bucket" if le else "placet_http_request_seconds_count"
    return of(name, service="consent", status="201", **({"le": le} if le else {}))


def hops(service: str, type_: str, le: str = "") -> str:
    name = "placet_event_age_seconds_bucket" if le else "placet_event_age_seconds_count"
    return of(name, service=service, type=type_, **({"le": le} if le else {}))


APPROVED, RELEASED = "consent.request.approved.v1", "records.transcript.released.v1"
FIVE_SAYS = "5% of the hops from approval to available take longer than 5 s"
SLOW_SAYS = "consent takes longer than a second for 5% of its requests"

OBJECTIVES = [
    Case(
        alert="PlacetWebErrors",
        about="one request in twenty fails for an hour",
        series={requests("201"): "0+95x90", requests("503"): "0+5x90"},
        at="65m",
        fires=[
            page("consent fails 5% of its requests", service="consent"),
            ticket("consent fails 5% of its requests", service="consent"),
        ],
    ),
    Case(
        alert="PlacetWebErrors",
        about="one in five hundred fails for three days",
        series={requests("201"): "0+998x170", requests("500"): "0+2x170"},
        at="80h",
        every="30m",
        fires=[ticket("consent fails 0.2% of its requests", service="consent")],
    ),
    Case(
        alert="PlacetWebErrors",
        about="one in two thousand fails, and people make many mistakes of their own",
        series={requests("201"): "0+1000x90", requests("422"): "0+999.5x90", requests("500"): "0+0.5x90"},
        at="65m",
    ),
    Case(
        alert="PlacetWebErrors",
        about="one mishap in a quiet night",
        series={requests("201"): "0+0.2x90", requests("500"): "0x30 1x60"},
        at="65m",
    ),
    Case(
        alert="PlacetWebErrors",
        about="the trouble was over half an hour ago",
        series={requests("201"): "0+95x180", requests("503"): "0+5x20 100x160"},
        at="55m",
        fires=[ticket("consent fails 1.878% of its requests", service="consent")],
    ),
    Case(
        alert="PlacetAcceptSlow",
        about="one answer in twenty takes longer than a second",
        series={answers(): "0+100x90", answers("1.0"): "0+95x90", answers("0.5"): "0+10x90"},
        at="65m",
        fires=[page(SLOW_SAYS), ticket(SLOW_SAYS)],
    ),
    Case(
        alert="PlacetAcceptSlow",
        about="all answers come within a second, few within half of it",
        series={answers(): "0+100x90", answers("1.0"): "0+100x90", answers("0.5"): "0+10x90"},
        at="65m",
    ),
    Case(
        alert="PlacetReleaseSlow",
        about="one release in twenty is late at delivery",
        series={hops("delivery", RELEASED): "0+100x90", hops("delivery", RELEASED, "5.0"): "0+95x90"},
        at="65m",
        fires=[page(FIVE_SAYS), ticket(FIVE_SAYS)],
    ),
    Case(
        alert="PlacetReleaseSlow",
        about="what is no part of a release is late: the mail of an approval, another event",
        series={
            hops("records", APPROVED): "0+100x90",
            hops("records", APPROVED, "5.0"): "0+100x90",
            hops("notify", APPROVED): "0+100x90",
            hops("notify", APPROVED, "5.0"): "0x90",
            hops("records", "identity.person.recorded.v1"): "0+100x90",
            hops("records", "identity.person.recorded.v1", "5.0"): "0x90",
        },
        at="65m",
    ),
]

REVOCATION = [
    Case(
        alert="PlacetConsentUnread",
        about="two records of consent's can't be read, as both workers say",
        series={
            of("placet_unread_consent_records", service="delivery"): "0 0 2x9",
            of("placet_unread_consent_records", service="delivery", pod="b"): "0 0 2x9",
        },
        at="2m",
        fires=[page("delivery can't read 2 records of consent's")],
    ),
    Case(
        alert="PlacetConsentUnread",
        about="all are read",
        series={of("placet_unread_consent_records", service="delivery"): "0x40"},
    ),
    Case(
        alert="PlacetWatermarkOld",
        about="the watermark is older than delivery believes",
        series={of("placet_watermark_age_seconds", service="delivery"): "25x40"},
        fires=[page("delivery's knowledge of revocations is 25s old: nothing is disclosed")],
    ),
    Case(
        alert="PlacetWatermarkOld",
        about="as old as in a house whose clocks are 5 s apart",
        series={of("placet_watermark_age_seconds", service="delivery"): "11x40"},
    ),
]

PATH = [
    Case(
        alert="PlacetOutboxOld",
        about="a row has waited for 45 s",
        series={of("placet_outbox_oldest_row_seconds", service="consent"): "45x40"},
        fires=[page("what consent has decided waits 45s for Kafka", service="consent")],
    ),
    Case(
        alert="PlacetOutboxOld",
        about="a broker is replaced: half a minute",
        series={of("placet_outbox_oldest_row_seconds", service="consent"): "0 20 30 0x40"},
        at="3m",
    ),
    Case(
        alert="PlacetOutboxRefused",
        about="Kafka refuses rows again and again",
        series={
            of("placet_outbox_refused_total", service="consent", topic="consent.requests", reason="X"): "0+2x60",
        },
        at="50m",
        fires=[
            ticket(
                "Kafka refuses rows of consent for consent.requests: X",
                service="consent",
                topic="consent.requests",
                reason="X",
            )
        ],
    ),
    Case(
        alert="PlacetOutboxRefused",
        about="it did so once, when a broker went",
        series={
            of("placet_outbox_refused_total", service="consent", topic="consent.requests", reason="X"): "0x5 9x60",
        },
        at="50m",
    ),
    Case(
        alert="PlacetRelayLeaderless",
        about="neither relay leads",
        series={
            of("placet_relay_leads", service="consent", pod="a"): "1 0x40",
            of("placet_relay_leads", service="consent", pod="b"): "0x40",
        },
        fires=[page("no relay of consent holds its lease", service="consent")],
    ),
    Case(
        alert="PlacetRelayLeaderless",
        about="one leads and the other waits its turn",
        series={
            of("placet_relay_leads", service="consent", pod="a"): "1x40",
            of("placet_relay_leads", service="consent", pod="b"): "0x40",
        },
    ),
    Case(
        alert="PlacetConsumerLag",
        about="two workers are 600 records behind each",
        series={
            of("placet_consumer_lag_records", service="records", topic="consent.requests", pod=pod): "600x40"
            for pod in "ab"
        },
        fires=[
            ticket("records is 1200 records behind on consent.requests", service="records", topic="consent.requests")
        ],
    ),
    Case(
        alert="PlacetConsumerLag",
        about="a cohort was approved ten minutes ago",
        series={of("placet_consumer_lag_records", service="records", topic="consent.requests"): "9000-800x10 0x30"},
        at="12m",
    ),
    Case(
        alert="PlacetRecordsSetAside",
        about="one record waits for a person, as both workers say",
        series={
            of("placet_set_aside_records", service="records", kind="failed", state="waiting", pod=pod): "1x40"
            for pod in "ab"
        },
        fires=[ticket("1 records lie aside at records (failed)", service="records", kind="failed")],
    ),
    Case(
        alert="PlacetRecordsSetAside",
        about="what lies aside is tried again by itself",
        series={
            of("placet_set_aside_records", service="delivery", kind="unwanted", state="replay"): "3x40",
            of("placet_set_aside_records", service="delivery", kind="unwanted", state="waiting"): "0x40",
        },
    ),
    Case(
        alert="PlacetActsFail",
        about="hardly a package can be made",
        series={
            of("placet_duty_acts_total", service="records", operation="records.prepare", outcome="failed"): "0+1x60",
            of("placet_duty_acts_total", service="records", operation="records.prepare", outcome="done"): "0+0.2x60",
        },
        at="50m",
        fires=[
            ticket("more than half of records.prepare fails at records", service="records", operation="records.prepare")
        ],
    ),
    Case(
        alert="PlacetActsFail",
        about="one package in eleven can't be made",
        series={
            of("placet_duty_acts_total", service="records", operation="records.prepare", outcome="failed"): "0+1x60",
            of("placet_duty_acts_total", service="records", operation="records.prepare", outcome="done"): "0+10x60",
        },
        at="50m",
    ),
]

READY = {"service": "consent", "role": "worker", "check": "consumer"}
PROCESSES = [
    of("placet_ready", service=service, role=role, check="mongodb")
    for service in SERVICES
    for role in ("api", "worker", "relay")
]

PROCESS = [
    Case(
        alert="PlacetNobodyReady",
        about="neither worker gets on",
        series={of("placet_ready", pod=pod, **READY): "1 0x40" for pod in "ab"},
        fires=[page("no worker of consent is ready: consumer", **READY)],
    ),
    Case(
        alert="PlacetNobodyReady",
        about="one of two does",
        series={of("placet_ready", pod="a", **READY): "0x40", of("placet_ready", pod="b", **READY): "1x40"},
    ),
    Case(
        alert="PlacetNotReady",
        about="one of two does not",
        series={of("placet_ready", pod="a", **READY): "0x40", of("placet_ready", pod="b", **READY): "1x40"},
        fires=[ticket("a copy of consent's worker is not ready: consumer", **READY)],
    ),
    Case(
        alert="PlacetNotReady",
        about="one of two was replaced",
        series={of("placet_ready", pod="a", **READY): "1 0x5 1x40", of("placet_ready", pod="b", **READY): "1x40"},
    ),
    Case(
        alert="PlacetProcessMissing",
        about="one of fifteen does not tell how it is",
        series=dict.fromkeys(PROCESSES[1:], "1x40"),
        fires=[page("14 of 15 processes tell how they are")],
    ),
    Case(
        alert="PlacetProcessMissing",
        about="Prometheus reaches nobody",
        series={},
        fires=[Fired(severity="page", says="0 of 15 processes tell how they are", labels={})],
    ),
    Case(alert="PlacetProcessMissing", about="all do", series=dict.fromkeys(PROCESSES, "1x40")),
]


def endpoints(state: str) -> str:
    return of("placet_webhook_endpoints", service="delivery", state=state)


def mails(outcome: str) -> str:
    return of("placet_mails_total", service="notify", outcome=outcome)


def waited(le: str) -> str:
    return of("placet_mail_wait_seconds_bucket", service="notify", le=le)


OUTSIDE = [
    Case(
        alert="PlacetWebhooksFail",
        about="four of seven endpoints fail",
        series={endpoints("failing"): "4x40", endpoints("healthy"): "3x40", endpoints("disabled"): "9x40"},
        fires=[page("4 endpoints fail, more than half of all: our own way out is likely closed")],
    ),
    Case(
        alert="PlacetWebhooksFail",
        about="four of thirty-four do: their own affair",
        series={endpoints("failing"): "4x40", endpoints("healthy"): "30x40"},
    ),
    Case(
        alert="PlacetNoticesWait",
        about="six hundred notices wait",
        series={of("placet_webhook_notices_waiting", service="delivery", state="healthy"): "600x40"},
        fires=[ticket("600 notices wait for endpoints that take them")],
    ),
    Case(
        alert="PlacetNoticesWait",
        about="they wait for endpoints that fail",
        series={of("placet_webhook_notices_waiting", service="delivery", state="failing"): "600x40"},
    ),
    Case(
        alert="PlacetEndpointDisabled",
        about="one more than six hours ago",
        series={endpoints("disabled"): "1x400 2x60"},
        at="410m",
        fires=[ticket("a recipient's endpoint was disabled (2 are)")],
    ),
    Case(
        alert="PlacetEndpointDisabled",
        about="two for days, and then one",
        series={endpoints("disabled"): "2x400 1x60"},
        at="410m",
    ),
    Case(
        alert="PlacetMailFails",
        about="the mail server takes nothing",
        series={mails("later"): "0+2x60", mails("sent"): "10x60"},
        at="45m",
        fires=[page("the mail server takes 60 mails of the last half hour not")],
    ),
    Case(
        alert="PlacetMailFails",
        about="a third is put off (greylisting)",
        series={mails("later"): "0+2x60", mails("sent"): "0+4x60"},
        at="45m",
    ),
    Case(
        alert="PlacetMailSlow",
        about="most wait for more than five minutes",
        series={waited("300.0"): "0x60", waited("3600.0"): "0+5x60", waited("+Inf"): "0+5x60"},
        at="50m",
        fires=[ticket("a tenth of the mails waits longer than 54m 30s")],
    ),
    Case(
        alert="PlacetMailSlow",
        about="one in twenty does",
        series={waited("300.0"): "0+19x60", waited("3600.0"): "0+20x60", waited("+Inf"): "0+20x60"},
        at="50m",
    ),
    Case(
        alert="PlacetMailRefused",
        about="one mail in six is refused",
        series={mails("abandoned"): "0+1x420", mails("sent"): "0+5x420"},
        at="400m",
        fires=[ticket("360 mails of the last six hours were given up")],
    ),
    Case(
        alert="PlacetMailRefused",
        about="one in twenty-one: people move",
        series={mails("abandoned"): "0+1x420", mails("sent"): "0+20x420"},
        at="400m",
    ),
]


def ends(days: int) -> Series:
    return {of("placet_certificate_expires_timestamp_seconds", service="consent", kind="kafka"): f"{days * 86_400}x40"}


def drawn(day: int) -> Series:
    said = of("placet_key_made_timestamp_seconds", service="consent", key="consent.private.jwks.json")
    return {said: f"{day * 86_400}x90"}


BACKUP = 'kube_cronjob_status_last_successful_time{namespace="%s",cronjob="%s"}'
UP = of("placet_ready", **READY)
NO_BACKUP = "the last backup that succeeded is older than a day and a half, or there is none"

GROUND = [
    Case(
        alert="PlacetMongodbBehind",
        about="most members are 40 s behind",
        series={of("placet_mongodb_majority_lag_seconds", service="consent"): "40x40"},
        fires=[page("most members of MongoDB are 40s behind the primary")],
    ),
    Case(
        alert="PlacetMongodbBehind",
        about="a quiet house writes every ten seconds",
        series={of("placet_mongodb_majority_lag_seconds", service="consent"): "10x40"},
    ),
    Case(
        alert="PlacetCertificateEnds",
        about="in two days",
        series=ends(2),
        fires=[
            page("the certificate for kafka ends in 1d 23h 30m 0s", kind="kafka"),
            ticket("the certificate for kafka ends in 1d 23h 30m 0s", kind="kafka"),
        ],
    ),
    Case(
        alert="PlacetCertificateEnds",
        about="in ten days",
        series=ends(10),
        fires=[ticket("the certificate for kafka ends in 9d 23h 30m 0s", kind="kafka")],
    ),
    Case(alert="PlacetCertificateEnds", about="in thirty days", series=ends(30)),
    Case(
        alert="PlacetKeyOld",
        about="drawn more than 400 days ago",
        series=drawn(1),
        at="415d",
        every="5d",
        fires=[
            ticket("consent.private.jwks.json was drawn 414d 0h 0m 0s ago", key="consent.private.jwks.json"),
        ],
    ),
    Case(alert="PlacetKeyOld", about="drawn anew in the meantime", series=drawn(300), at="415d", every="5d"),
    Case(
        alert="PlacetBackupOld",
        about="the last success was forty hours ago, another namespace's just now",
        series={
            BACKUP % ("placet", "mongodb-backup"): "0x300",
            BACKUP % ("else", "etcd-backup"): "144000x300",
            UP: "1x300",
        },
        at="40h",
        every="10m",
        fires=[page(NO_BACKUP)],
    ),
    Case(
        alert="PlacetBackupOld",
        about="there never was one",
        series={BACKUP % ("else", "etcd-backup"): "0x300", UP: "1x300"},
        at="2h",
        every="10m",
        fires=[page(NO_BACKUP)],
    ),
    Case(
        alert="PlacetBackupOld",
        about="it succeeded a day after the first",
        series={BACKUP % ("placet", "mongodb-backup"): "0x143 86400x200", UP: "1x300"},
        at="40h",
        every="10m",
    ),
]

CASES = (*OBJECTIVES, *REVOCATION, *PATH, *PROCESS, *OUTSIDE, *GROUND)
