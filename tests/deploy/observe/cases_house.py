"""When alerts about what goes on inside the house fire, and when they keep quiet."""

from contracts.topics import SERVICES
from tests.deploy.observe.cases import Case, Fired, of, page, ticket

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
