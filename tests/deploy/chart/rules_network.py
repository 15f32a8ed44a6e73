"""Rules over the network: who reaches whom, as a matrix, and who is let in. The tables are by hand."""

from collections.abc import Iterator

from contracts.topics import SERVICES
from tests.deploy.chart.network import End, end_of, may_enter, ours, reached
from tests.deploy.chart.rendered import Rendered, component_of, labels_of, name_of, selects

_NAMES = {"dns", "dns over TCP"}
_EVERYBODY = {*_NAMES, "mongodb"}
_BACKUPS = {"backup-data", "backup-keys", "backup-packages"}
_JOBS = {"bootstrap", "self-test", *_BACKUPS}
_KAFKA = {f"{service}-{role}" for service in SERVICES for role in ("worker", "relay")}
_VAULT = {"records-api", "records-worker", "delivery-api", "backup-packages"}
_MAIL = {"notify-worker"}
_INTERNET = {"delivery-worker"}
_OPENS_VALUES = {
    "identity-api",
    "consent-api",
    "records-api",
    "records-worker",
    "delivery-api",
    "notify-api",
    "notify-worker",
}


def everything_is_denied_first(chart: Rendered) -> Iterator[str]:
    """One policy chooses every pod of the release, both ways, and allows nothing."""
    if not chart.values["networkPolicy"]["enabled"]:
        yield from (f"{name_of(one)} is not asked for" for one in chart.of("NetworkPolicy"))
        return
    closing = [one["spec"] for one in chart.of("NetworkPolicy")
               if not one["spec"].get("ingress") and not one["spec"].get("egress")]  # fmt: skip
    for one in chart.workloads():
        ways = {way for spec in closing if selects(spec["podSelector"], labels_of(one)) for way in spec["policyTypes"]}
        if ways != {"Ingress", "Egress"}:
            yield f"{name_of(one)} is not closed both ways"


def each_reaches_what_it_needs_and_no_more(chart: Rendered) -> Iterator[str]:
    """Only delivery's worker reaches the internet, only notify's the mail server; no web process reaches Kafka."""
    if not chart.values["networkPolicy"]["enabled"]:
        return
    for component, found in reached(chart).items():
        wanted = _EVERYBODY | {
            place
            for place, holders in (
                ("kafka", _KAFKA), ("vault", _VAULT), ("mail", _MAIL),
                ("internet", _INTERNET), ("internet over IPv6", _INTERNET),
                ("kms", _OPENS_VALUES if chart.values["kms"]["enabled"] else set()),
            )
            if component in holders
        }  # fmt: skip
        if chart.values["otlp"]["endpoint"] and component not in _JOBS:
            wanted |= {"otlp"}
        if component == "self-test":
            wanted = _NAMES | {"consent's web"}
        if component in _BACKUPS:
            wanted |= {f"the backup of {component.removeprefix('backup-')}"}
        if component == "backup-packages":
            wanted -= {"mongodb"}
        # delivery's worker reaches the stores' public addresses too, for they are on the internet; it has no login there.
        public = {"vault", "kms", *(f"the backup of {part.removeprefix('backup-')}" for part in _BACKUPS)}
        for place in sorted((found ^ wanted) - (public if component in _INTERNET else set())):
            yield f"{component} {'reaches' if place in found else 'does not reach'} {place}"


def only_the_door_and_prometheus_come_in(chart: Rendered) -> Iterator[str]:
    """The front door to each api, Prometheus to all, at our one port; nobody else to anybody."""
    if not chart.values["networkPolicy"]["enabled"]:
        return
    policies, told = chart.of("NetworkPolicy"), chart.values["networkPolicy"]
    fronted = chart.values["ingress"]["enabled"] or chart.values["gateway"]["enabled"]
    stranger = End({"app": "else"}, {"kubernetes.io/metadata.name": "else"})
    for one in chart.workloads():
        pod, component = ours(labels_of(one)), component_of(one)
        asked = [(end_of(peer), "the front door", fronted and component.endswith("-api")) for peer in told["front"]]
        asked += [
            (end_of(peer), "Prometheus", chart.values["serviceMonitor"]["enabled"] and component not in _JOBS)
            for peer in told["metrics"]
        ]
        tester = ours({**labels_of(one), "app.kubernetes.io/component": "self-test"})
        asked += [(tester, "the self-test", chart.values["selfTest"]["enabled"] and component not in _JOBS)]
        asked += [(stranger, "a stranger", False), (ours({"app": "else"}), "a neighbour", False)]
        asked += [(ours({**labels_of(one), "app.kubernetes.io/component": "consent-relay"}), "one of us", False)]
        for source, who, wanted in asked:
            if may_enter(policies, pod, source, 8080) != wanted:
                yield f"{who} {'does not reach' if wanted else 'reaches'} {component}"
            if may_enter(policies, pod, source, 22):
                yield f"{who} reaches another port of {component}"
