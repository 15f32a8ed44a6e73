"""Rules over Kafka: topics, users and their rights, and who grows with the lag. Each gives a sentence for each fault."""

from collections.abc import Iterator

from contracts.topics import BY_NAME, SERVICES, TOPICS, heard_by
from deploy.helm.facts import ROLES
from deploy.local.principals import group, kafka_acls, kafka_users, principal
from services.chassis.settings import Role
from tests.deploy.chart.rendered import Document, Rendered, component_of, containers_of, name_of

_PROCESSES = {principal(service, role): (service, role) for service in SERVICES for role in ROLES}


def topics_are_the_contracts(chart: Rendered) -> Iterator[str]:
    """Strimzi is told exactly our topics, kept as safely as GUARANTEES ask."""
    if not chart.values["kafka"]["strimzi"]["enabled"]:
        yield from (f"{name_of(one)} is nobody's" for kind in ("KafkaTopic", "KafkaUser") for one in chart.of(kind))
        return
    found = {one["metadata"]["name"]: one["spec"] for one in chart.of("KafkaTopic")}
    yield from (f"topic {name} is in one of the two only" for name in found.keys() ^ BY_NAME.keys())
    for topic in TOPICS:
        spec = found.get(topic.name, {"config": {}})
        config = spec["config"]
        if (
            spec.get("partitions") != topic.partitions
            or config.get("retention.ms") != topic.retention_days * 86_400_000
        ):
            yield f"topic {topic.name} has other partitions or retention than the contracts"
        if not 2 <= config.get("min.insync.replicas", 1) < spec.get("replicas", 1):
            yield f"topic {topic.name}: an acknowledged record may be lost, or one broker stops all"
        if config.get("unclean.leader.election.enable") is not False or config.get("cleanup.policy") != "delete":
            yield f"topic {topic.name} may forget what it acknowledged"
    for one in chart.of("KafkaTopic"):
        if one["metadata"].get("annotations", {}).get("helm.sh/resource-policy") != "keep":
            yield f"{name_of(one)} goes with an uninstall"


def rights_at_kafka_are_the_table(chart: Rendered) -> Iterator[str]:
    """The users and their access lists, rule by rule; one writer of approvals; nobody who faces the web."""
    if not chart.values["kafka"]["strimzi"]["enabled"]:
        return
    given = {
        (one["metadata"]["name"], acl["resource"]["type"], acl["resource"].get("name", "kafka-cluster"), operation)
        for one in chart.of("KafkaUser")
        for acl in one["spec"]["authorization"]["acls"]
        for operation in acl["operations"]
    }
    wanted = {
        (acl.principal, acl.resource, acl.name, acl.operation.title().replace("_", "").replace("configs", "Configs"))
        for acl in kafka_acls()
    }
    yield from (f"{one} is in one of the two only" for one in sorted(given ^ wanted))
    writers = {
        user for user, kind, name, operation in given if name == "consent.requests" and operation in {"Write", "All"}
    }
    if writers != {"consent-relay"}:
        yield f"approvals are written by {sorted(writers)}"
    if {one["metadata"]["name"] for one in chart.of("KafkaUser")} != set(kafka_users()):
        yield "the users are not those of the table"
    for one in chart.of("KafkaUser"):
        if one["metadata"]["name"].endswith("-api"):
            yield f"{name_of(one)} faces the web"
        if one["spec"]["authentication"]["type"] != "scram-sha-512":
            yield f"{name_of(one)} can't sign in as the services do"
        if any(acl["resource"].get("patternType", "literal") != "literal" or acl.get("type", "allow") != "allow"
               for acl in one["spec"]["authorization"]["acls"]):  # fmt: skip
            yield f"{name_of(one)} has rights on more than it names"


def workers_grow_with_their_lag(chart: Rendered) -> Iterator[str]:
    """Who hears is scaled by the lag of its own topics and group; nobody sets the copies beside it."""
    scaled = {one["spec"]["scaleTargetRef"]["name"]: one for one in chart.of("ScaledObject")}
    logins = {one["metadata"]["name"] for one in chart.of("TriggerAuthentication") if _is_login(chart, one)}
    for one in chart.of("Deployment"):
        service, role = _PROCESSES[component_of(one)]
        hears = {topic.name for topic in heard_by(service)} if role is Role.WORKER else set()
        rule = scaled.pop(one["metadata"]["name"], None)
        if (rule is not None) != bool(chart.values["keda"]["enabled"] and hears):
            yield f"{name_of(one)} should {'not ' if rule else ''}be scaled"
        elif (rule is None) != ("replicas" in one["spec"]):
            yield f"{name_of(one)}: its copies are said twice, or not at all"
        if rule is not None:
            yield from (f"{name_of(rule)} {fault}" for fault in _scaling_faults(rule["spec"], service, hears, logins))
    yield from (f"{name_of(rule)} scales nothing" for rule in scaled.values())


def _is_login(chart: Rendered, one: Document) -> bool:
    """Whether a trigger with it signs in as the very worker: its name from the pod, its password from the Secret there."""
    (worker,) = [each for each in chart.of("Deployment") if each["metadata"]["name"] == one["metadata"]["name"]]
    (container,) = containers_of(worker)
    of_worker = {
        variable["valueFrom"]["secretKeyRef"]["name"]
        for variable in container["env"]
        if variable["name"] == "PLACET_KAFKA_WORKER_PASSWORD"
    }
    asked = {each["parameter"]: each for each in one["spec"].get("secretTargetRef", [])}
    named = [(each["parameter"], each["name"], each["containerName"]) for each in one["spec"].get("env", [])]
    authority = chart.values["kafka"]["caSecret"]["name"]
    return (
        named == [("username", "PLACET_KAFKA_WORKER_USER", container["name"])]
        and {asked.get("password", {}).get("name")} == of_worker
        and asked.get("ca", {}).get("name", "") == authority
    )


def _scaling_faults(spec: Document, service: str, hears: set[str], logins: set[str]) -> Iterator[str]:
    if not 2 <= spec.get("minReplicaCount", 0) <= spec.get("maxReplicaCount", 0):
        yield "may leave fewer than two"
    if {trigger["metadata"]["topic"] for trigger in spec["triggers"]} != hears:
        yield "looks at other topics than the worker hears"
    for trigger in spec["triggers"]:
        told = trigger["metadata"]
        if told.get("limitToPartitionsWithLag") != "true" or told["consumerGroup"] != group(service):
            yield "makes more copies than can help, or asks for another group"
        if trigger.get("authenticationRef", {}).get("name") not in logins or told.get("tls") != "enable":
            yield "asks Kafka without a login or in clear"
        # Kafka 4.0 takes nothing older (KIP-896).
        if [int(part) for part in told.get("version", "1.0.0").split(".")] < [2, 1]:
            yield "speaks a version of Kafka's protocol that brokers have given up"
