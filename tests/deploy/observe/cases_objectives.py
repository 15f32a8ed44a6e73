"""When alerts about speed and success fire, and when they keep quiet."""

from tests.deploy.observe.cases import Case, of, page, ticket


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
