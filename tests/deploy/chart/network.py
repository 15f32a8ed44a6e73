"""Who reaches whom, by the network policies of a set of manifests: Kubernetes' own rules over parsed policies.

A pod that no policy of a direction chooses is open in that direction; else it may do what one of them allows.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.deploy.chart.rendered import Document, Rendered, component_of, labels_of, selects

NAMESPACE = "placet"
"""Where the release is."""


@dataclass(frozen=True)
class End:
    """One end of a connection: a pod with its labels and its namespace's, or an address outside of the cluster."""

    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: Mapping[str, str] = field(default_factory=dict)
    address: str = ""


def ours(labels: Mapping[str, str]) -> End:
    """A pod of the release's own namespace."""
    return End(labels, {"kubernetes.io/metadata.name": NAMESPACE})


def end_of(peer: Document) -> End:
    """Somebody whom a peer of a policy describes: what values call the place of MongoDB, or of the front door."""
    if "ipBlock" in peer:
        return End(
            address=str(ipaddress.ip_network(peer["ipBlock"]["cidr"])[1 if "/32" not in peer["ipBlock"]["cidr"] else 0])
        )
    namespace = peer.get("namespaceSelector", {}).get("matchLabels", {"kubernetes.io/metadata.name": NAMESPACE})
    return End(peer.get("podSelector", {}).get("matchLabels", {}), namespace)


def may_leave(policies: Iterable[Document], pod: End, to: End, port: int, protocol: str = "TCP") -> bool:
    """Whether a pod of the release's namespace may open this connection."""
    rules = _rules(policies, "Egress", pod)
    return rules is None or any(_rule_allows(rule, "to", to, port, protocol) for rule in rules)


def may_enter(policies: Iterable[Document], pod: End, source: End, port: int, protocol: str = "TCP") -> bool:
    """Whether a pod of the release's namespace may be reached by this connection."""
    rules = _rules(policies, "Ingress", pod)
    return rules is None or any(_rule_allows(rule, "from", source, port, protocol) for rule in rules)


def _rules(policies: Iterable[Document], way: str, pod: End) -> list[Document] | None:
    """What a pod may do in a direction; None when it is open, for nobody speaks of it."""
    choosing = [
        policy["spec"]
        for policy in policies
        if way in policy["spec"]["policyTypes"] and selects(policy["spec"]["podSelector"], pod.labels)
    ]
    if not choosing:
        return None
    return [rule for spec in choosing for rule in spec.get(way.lower(), [])]


def _rule_allows(rule: Document, ends: str, other: End, port: int, protocol: str) -> bool:
    peers, ports = rule.get(ends, []), rule.get("ports", [])
    at_port = not ports or any(_is_port(one, port, protocol) for one in ports)
    return at_port and (not peers or any(_is_peer(peer, other) for peer in peers))


def _is_port(allowed: Document, port: int, protocol: str) -> bool:
    if allowed.get("protocol", "TCP") != protocol:
        return False
    if "port" not in allowed:
        return True
    first: int = allowed["port"]
    return first <= port <= int(allowed.get("endPort", first))


def _is_peer(peer: Document, other: End) -> bool:
    if "ipBlock" in peer:
        return bool(other.address) and _within(peer["ipBlock"], other.address)
    if other.address:
        return False
    if "namespaceSelector" in peer:
        in_namespace = selects(peer["namespaceSelector"], other.namespace)
    else:
        in_namespace = other.namespace.get("kubernetes.io/metadata.name") == NAMESPACE
    return in_namespace and ("podSelector" not in peer or selects(peer["podSelector"], other.labels))


def _within(block: Mapping[str, Any], address: str) -> bool:
    where = ipaddress.ip_address(address)
    if where not in ipaddress.ip_network(block["cidr"]):
        return False
    return all(where not in ipaddress.ip_network(one) for one in block.get("except", []))


def reached(chart: Rendered) -> dict[str, set[str]]:
    """The matrix: for each component, the places among `places` that its pods reach."""
    policies = chart.of("NetworkPolicy")
    return {
        component_of(one): {
            name
            for name, (end, port, protocol) in places(chart).items()
            if may_leave(policies, ours(labels_of(one)), end, port, protocol)
        }
        for one in chart.workloads()
    }


def places(chart: Rendered) -> dict[str, tuple[End, int, str]]:
    """What may be reached or must not be, by name: what the values say where it is, and what lies around."""
    told = chart.values["networkPolicy"]
    known: dict[str, tuple[End, int, str]] = {
        name: (end_of(told[name]["peers"][0]), told[name]["port"], "TCP")
        for name in ("mongodb", "kafka", "vault", "mail", "kms", "otlp")
        if told[name]["peers"]
    }
    known |= {
        f"the backup of {part}": (end_of(place["peers"][0]), place["port"], "TCP")
        for part, place in told["backup"].items()
        if place["peers"]
    }
    known |= {f"{name} at another port": (end, 4_444, "TCP") for name, (end, _, _) in known.items()}
    return {
        **known,
        "dns": (end_of(told["dns"][0]), 53, "UDP"),
        "dns over TCP": (end_of(told["dns"][0]), 53, "TCP"),
        "dns at another port": (end_of(told["dns"][0]), 9_153, "TCP"),
        "internet": (End(address="93.184.216.34"), 443, "TCP"),
        "internet over IPv6": (End(address="2606:2800:220:1::1"), 443, "TCP"),
        "internet in clear": (End(address="93.184.216.34"), 80, "TCP"),
        "internet at our port": (End(address="93.184.216.34"), 8_080, "TCP"),
        "internet's mail servers": (End(address="93.184.216.34"), 25, "TCP"),
        "a private network": (End(address="10.1.2.3"), 443, "TCP"),
        "another private network": (End(address="192.168.7.8"), 443, "TCP"),
        "the cloud's metadata": (End(address="169.254.169.254"), 443, "TCP"),
        "the cloud's metadata in clear": (End(address="169.254.169.254"), 80, "TCP"),
        "a private network over IPv6": (End(address="fd00::1"), 443, "TCP"),
        "the API server": (End(address="10.96.0.1"), 443, "TCP"),
        "consent's web": (ours({**_OURS, "app.kubernetes.io/component": "consent-api"}), 8080, "TCP"),
        "a stranger's pod": (End({"app": "else"}, {"kubernetes.io/metadata.name": "else"}), 443, "TCP"),
        "a stranger's pod at our port": (End({"app": "else"}, {"kubernetes.io/metadata.name": "else"}), 8_080, "TCP"),
        "a neighbour's pod": (ours({"app": "neighbour"}), 27017, "TCP"),
    }


_OURS = {"app.kubernetes.io/name": "placet", "app.kubernetes.io/instance": "placet"}
