"""The evaluator knows Kubernetes' own rules: what it says of the chart is worth no more than this."""

import pytest

from tests.deploy.chart.network import End, end_of, may_enter, may_leave, ours

WEB, DATABASE = ours({"app": "web"}), ours({"app": "database"})
ELSEWHERE = End({"app": "database"}, {"kubernetes.io/metadata.name": "else", "team": "data"})
OUTSIDE = End(address="93.184.216.34")


def policy(chosen=None, ways=("Egress",), **rules):
    return {"spec": {"podSelector": chosen or {}, "policyTypes": [*ways], **rules}}


def to(*peers, **port):
    return {"egress": [{"to": [*peers], **({"ports": [port]} if port else {})}]}


def test_a_pod_that_nobody_speaks_of_is_open():
    assert may_leave([], WEB, OUTSIDE, 443)
    assert may_leave([policy({"matchLabels": {"app": "database"}})], WEB, OUTSIDE, 443)


def test_a_direction_that_nobody_speaks_of_is_open():
    closed = [policy(ways=["Ingress"])]
    assert may_leave(closed, WEB, OUTSIDE, 443)
    assert not may_enter(closed, WEB, OUTSIDE, 8080)


def test_who_is_chosen_may_do_what_one_of_the_policies_allows():
    policies = [policy(), policy(**to({"podSelector": {"matchLabels": {"app": "database"}}}, port=27017))]
    assert may_leave(policies, WEB, DATABASE, 27017)
    assert not may_leave(policies, WEB, DATABASE, 27018)
    assert not may_leave(policies, WEB, DATABASE, 27017, "UDP")
    assert not may_leave(policies, WEB, WEB, 27017)
    assert not may_leave(policies, WEB, OUTSIDE, 27017)


PEERS = {
    "pods of the own namespace": ({"podSelector": {}}, [DATABASE]),
    "all pods of a namespace": ({"namespaceSelector": {"matchLabels": {"team": "data"}}}, [ELSEWHERE]),
    "some pods of all namespaces": (
        {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "database"}}},
        [DATABASE, ELSEWHERE],
    ),
    "a pod and a namespace that are not one": (
        {"namespaceSelector": {"matchLabels": {"team": "data"}}, "podSelector": {"matchLabels": {"app": "web"}}},
        [],
    ),
    "by an expression": (
        {"podSelector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}},
        [DATABASE],
    ),
    "by what they have": ({"podSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}}, [DATABASE]),
    "by what they lack": ({"podSelector": {"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}}, []),
    "addresses": ({"ipBlock": {"cidr": "0.0.0.0/0"}}, [OUTSIDE]),
    "addresses but some": ({"ipBlock": {"cidr": "0.0.0.0/0", "except": ["93.184.0.0/16"]}}, []),
    "addresses of the other family": ({"ipBlock": {"cidr": "2000::/3"}}, []),
}


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_is(name):
    peer, wanted = PEERS[name]
    ends = (DATABASE, ELSEWHERE, OUTSIDE)
    assert [end for end in ends if may_leave([policy(**to(peer))], WEB, end, 1)] == wanted


def test_a_rule_without_peers_or_ports_is_for_all():
    assert may_leave([policy(egress=[{}])], WEB, OUTSIDE, 443)
    assert not may_leave([policy(egress=[])], WEB, OUTSIDE, 443)


def test_a_range_of_ports():
    policies = [policy(**to({"ipBlock": {"cidr": "0.0.0.0/0"}}, port=8000, endPort=8010))]
    assert [port for port in (7999, 8000, 8010, 8011) if may_leave(policies, WEB, OUTSIDE, port)] == [8000, 8010]


def test_somebody_whom_a_peer_describes_is_let_through_by_it():
    for peer in ({"ipBlock": {"cidr": "203.0.113.40/32"}}, {"podSelector": {"matchLabels": {"a": "b"}}}):
        assert may_leave([policy(**to(peer))], WEB, end_of(peer), 1)
