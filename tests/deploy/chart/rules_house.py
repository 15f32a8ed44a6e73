"""Rules over the whole: what the code says and what the manifests say are one. Each gives a sentence for each fault."""

import json
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

from contracts.topics import SERVICES
from deploy.helm.facts import OPTIONAL, PUBLIC_KEYS, ROLES, key_files, required, settings_of
from deploy.local.principals import mongo_roles, principal
from deploy.mongodb.applying import declared
from services.chassis.settings import Role
from tests.deploy.chart.rendered import (
    Document,
    Rendered,
    component_of,
    containers_of,
    labels_of,
    name_of,
    pod_of,
    selects,
)

_NEVER_CHANGE = {f"app.kubernetes.io/{label}" for label in ("name", "instance", "component")}
_PROCESSES = {principal(service, role): (service, role) for service in SERVICES for role in ROLES}


def one_deployment_for_each_process(chart: Rendered) -> Iterator[str]:
    """Every service in every role, and nothing else that runs for ever: no broker, no database comes along."""
    found = Counter(component_of(one) for one in chart.of("Deployment"))
    yield from (f"{name} runs {found[name]} times" for name in _PROCESSES | found.keys() if found[name] != 1)
    yield from (
        f"{name_of(one)} is no process of ours"
        for kind in ("StatefulSet", "DaemonSet", "Pod", "Kafka")
        for one in chart.of(kind)
    )
    for one in chart.of("Deployment"):
        service, role = _PROCESSES.get(component_of(one), ("", ""))
        commands = [[*container.get("command", []), *container.get("args", [])] for container in containers_of(one)]
        if commands != [["python", "-m", f"services.{service}", role]]:
            yield f"{name_of(one)} runs something else than services.{service} as {role}"


def labels_choose_their_own(chart: Rendered) -> Iterator[str]:
    """A selector chooses the pods of its own Deployment and no others; names are taken once."""
    names = Counter(name_of(one) for one in chart.documents)
    yield from (f"{name} is there {count} times" for name, count in names.items() if count > 1)
    for one in chart.of("Deployment"):
        chosen = [other for other in chart.workloads() if selects(one["spec"]["selector"], labels_of(other))]
        if chosen != [one]:
            yield f"{name_of(one)} chooses {[name_of(other) for other in chosen]}"
        # A selector can't be changed: with a version in it, no upgrade would ever be taken.
        if one["spec"]["selector"].get("matchLabels", {}).keys() != _NEVER_CHANGE:
            yield f"{name_of(one)} can't be upgraded: its selector would change"


def services_lead_somewhere(chart: Rendered) -> Iterator[str]:
    """Each Service chooses the pods of one Deployment, at a port that they have; each Deployment has one."""
    led: Counter[str] = Counter()
    for one in chart.of("Service"):
        chosen = [
            other
            for other in chart.of("Deployment")
            if selects({"matchLabels": one["spec"]["selector"]}, labels_of(other))
        ]
        if len(chosen) != 1:
            yield f"{name_of(one)} chooses {len(chosen)} Deployments"
            continue
        led[component_of(chosen[0])] += 1
        ports = {port["name"] for container in containers_of(chosen[0]) for port in container["ports"]}
        yield from (
            f"{name_of(one)} leads to no port" for port in one["spec"]["ports"] if port["targetPort"] not in ports
        )
        if one["spec"].get("type", "ClusterIP") != "ClusterIP":
            yield f"{name_of(one)} is a door of its own to the outside"
    yield from (f"{name} has {led[name]} Services" for name in _PROCESSES if led[name] != 1)


def one_copy_at_a_time_may_go(chart: Rendered) -> Iterator[str]:
    """Each Deployment has one budget: a drain takes one copy, and never none for ever."""
    for one in chart.of("Deployment"):
        budgets = [
            other["spec"]
            for other in chart.of("PodDisruptionBudget")
            if selects(other["spec"]["selector"], labels_of(one))
        ]
        if [(budget.get("maxUnavailable"), budget.get("minAvailable")) for budget in budgets] != [(1, None)]:
            yield f"{name_of(one)} has no budget of one copy"
        if any(budget.get("unhealthyPodEvictionPolicy") != "AlwaysAllow" for budget in budgets):
            yield f"{name_of(one)}: a copy that is not ready keeps a node from being drained"


def variables_are_what_the_code_reads(chart: Rendered) -> Iterator[str]:
    """All that a process can't start without, nothing that its settings don't read, and no other role's credential."""
    for one in chart.of("Deployment"):
        service, role = _PROCESSES[component_of(one)]
        needed = set(required(service, role, kms=chart.values["kms"]["enabled"]))
        # What the object store's own client reads.
        store = set(chart.values["vault"]["environment"]) | set(chart.values["vault"]["credentials"]["names"])
        allowed = needed | _optional(service, role) | (store if role in settings_of(service).vault_roles else set())
        for container in containers_of(one):
            told = [variable["name"] for variable in container.get("env", [])]
            yield from (f"{name_of(one)} lacks {name}" for name in sorted(needed - set(told)))
            yield from (f"{name_of(one)} has no use for {name}" for name in sorted(set(told) - allowed))
            yield from (f"{name_of(one)} is told {name} twice" for name, count in Counter(told).items() if count > 1)
            yield from _foreign(one, container)


def _optional(service: str, role: Role) -> set[str]:
    kinds = {str(role), principal(service, role)} | ({"keys"} if "master.key" in key_files(service, role) else set())
    return {name for name, holders in OPTIONAL.items() if kinds & set(holders)}


def _foreign(one: Document, container: Document) -> Iterator[str]:
    """A credential of MongoDB or Kafka is the process's own."""
    own = component_of(one)
    for variable in container.get("env", []):
        secret = variable.get("valueFrom", {}).get("secretKeyRef", {}).get("name", "")
        if variable["name"].startswith(("PLACET_MONGODB_", "PLACET_KAFKA_")) and own not in secret and secret:
            yield f"{name_of(one)} holds {secret}, another's credential"
        if variable["name"].endswith("_USER") and variable.get("value") != own:
            yield f"{name_of(one)} signs in as {variable.get('value')}"


def keys_are_held_by_who_reads_them(chart: Rendered) -> Iterator[str]:
    """Exactly the files of the settings; public ones from the map, private ones from a Secret of that file alone."""
    holders: dict[str, set[str]] = {}
    for one in chart.of("Deployment"):
        service, role = _PROCESSES[component_of(one)]
        found = list(_keys_of(one))
        wanted = key_files(service, role, kms=chart.values["kms"]["enabled"])
        if sorted(name for name, _, _ in found) != list(wanted):
            yield f"{name_of(one)} holds {[name for name, _, _ in found]}, and reads {wanted}"
        for name, kind, source in found:
            holders.setdefault(source, set()).add(name)
            public = ".public." in name
            if public != (kind == "configMap") or public != source.endswith(PUBLIC_KEYS):
                yield f"{name_of(one)} takes {name} from the {kind} {source}"
        for volume in pod_of(one)["volumes"]:
            if volume.get("projected", {}).get("defaultMode", 0o440) != 0o440:
                yield f"{name_of(one)}: others than its group may read its keys"
    for source, files in holders.items():
        if len(files) > 1 and not source.endswith(PUBLIC_KEYS):
            yield f"{source} holds {sorted(files)}: who is given one has the other"


def _keys_of(one: Document) -> Iterator[tuple[str, str, str]]:
    """The files in a process's keys folder, each with the kind and the name of what it comes from."""
    mounts = [mount for container in containers_of(one) for mount in container.get("volumeMounts", [])]
    mounted = {mount["name"] for mount in mounts if mount["mountPath"] == "/etc/placet/keys"}
    for volume in pod_of(one)["volumes"]:
        for source in volume["projected"]["sources"] if volume["name"] in mounted else []:
            for kind, taken in source.items():
                yield from ((item["path"], kind, taken["name"]) for item in taken.get("items", []))


def one_origin_leads_to_each_service(chart: Rendered) -> Iterator[str]:
    """`/<service>` to its api, under publicUrl's host; nothing else, so neither /metrics nor /health is public."""
    services = {one["metadata"]["name"]: one for one in chart.of("Service")}
    wanted = {f"/{service}": f"{service}-api" for service in SERVICES}
    host = urlsplit(chart.values["publicUrl"]).hostname
    doors = [(one, *_ways_of(one)) for kind in ("Ingress", "HTTPRoute") for one in chart.of(kind)]
    for one, hosts, ways in doors:
        if hosts != [host]:
            yield f"{name_of(one)} answers for {hosts}"
        led = {
            path: services[name]["spec"]["selector"]["app.kubernetes.io/component"] if name in services else name
            for path, name in ways.items()
        }
        if led != wanted:
            yield f"{name_of(one)} leads to {led}"
    expected = {
        kind for kind, key in (("Ingress", "ingress"), ("HTTPRoute", "gateway")) if chart.values[key]["enabled"]
    }
    if {one["kind"] for one, _, _ in doors} != expected:
        yield f"the doors are not {sorted(expected)}"
    for one in chart.of("Certificate"):
        secrets = {tls["secretName"] for door in chart.of("Ingress") for tls in door["spec"]["tls"]}
        if (secrets and one["spec"]["secretName"] not in secrets) or one["spec"]["dnsNames"] != [host]:
            yield f"{name_of(one)} is not the door's certificate"


def _ways_of(door: Document) -> tuple[list[str], dict[str, str]]:
    spec = door["spec"]
    if door["kind"] == "Ingress":
        ways = {
            path["path"]: path["backend"]["service"]["name"] for rule in spec["rules"] for path in rule["http"]["paths"]
        }
        hosts = {rule["host"] for rule in spec["rules"]} | {
            host for tls in spec.get("tls", [{}]) for host in tls.get("hosts", ["in clear"])
        }
        return sorted(hosts), ways
    leading = [rule for rule in spec["rules"] if "backendRefs" in rule]
    return spec["hostnames"], {rule["matches"][0]["path"]["value"]: rule["backendRefs"][0]["name"] for rule in leading}


def jobs_come_first_and_in_order(chart: Rendered) -> Iterator[str]:
    """Roles and users, then collections, before an installation and an upgrade, and after what they need is there."""
    told = chart.values["mongodb"]
    wanted = [name for name, on in (("roles", told["roles"]["enabled"]), ("collections", told["collections"])) if on]
    jobs = sorted((job for job in chart.of("Job") if component_of(job) == "bootstrap"), key=_weight)
    if [job["metadata"]["name"].rpartition("-")[2] for job in jobs] != wanted:
        yield f"the Jobs are not {wanted}, in this order"
    before = chart.of("ServiceAccount")
    for job in jobs:
        notes = job["metadata"].get("annotations", {})
        if notes.get("helm.sh/hook") != "pre-install,pre-upgrade":
            yield f"{name_of(job)} does not run before both"
        if "before-hook-creation" not in notes.get("helm.sh/hook-delete-policy", ""):
            yield f"{name_of(job)} is in the way of the next upgrade"
        if job["spec"].get("backoffLimit") is None or job["spec"].get("activeDeadlineSeconds") is None:
            yield f"{name_of(job)} may go on for ever"
        if pod_of(job)["serviceAccountName"] not in {
            one["metadata"]["name"] for one in before if _weight(one) < _weight(job)
        }:
            yield f"{name_of(job)} runs before its account is there"
        yield from _users_faults(job)


def it_tests_itself(chart: Rendered) -> Iterator[str]:
    """After an installation and an upgrade every process is asked, at the Service that it has, and that the network denies."""
    jobs = [job for job in chart.of("Job") if component_of(job) == "self-test"]
    if len(jobs) != int(chart.values["selfTest"]["enabled"]):
        yield "the self-test is there without being wanted, or wanted and not there"
    for job in jobs:
        notes = job["metadata"]["annotations"]
        if notes.get("helm.sh/hook") != "post-install,post-upgrade" or "before-hook-creation" not in notes.get(
            "helm.sh/hook-delete-policy", ""
        ):
            yield f"{name_of(job)} does not run after both, again and again"
        (container,) = containers_of(job)
        told = {variable["name"]: variable["value"] for variable in container["env"]}
        services = {one["metadata"]["name"]: one["spec"] for one in chart.of("Service")}
        for name, address in json.loads(told["PLACET_SELFTEST_PROCESSES"]).items():
            url = urlsplit(address)
            spec = services.get(url.hostname or "", {"selector": {}, "ports": []})
            if spec["selector"].get("app.kubernetes.io/component") != name or url.port not in [
                port["port"] for port in spec["ports"]
            ]:
                yield f"{name_of(job)} asks {address} for {name}"
        if json.loads(told["PLACET_SELFTEST_PROCESSES"]).keys() != _PROCESSES.keys():
            yield f"{name_of(job)} does not ask everybody"
        if int(told["PLACET_SELFTEST_SECONDS"]) >= job["spec"]["activeDeadlineSeconds"]:
            yield f"{name_of(job)} is ended before it can say what is wrong"
        if ("PLACET_SELFTEST_DENIED" in told) != chart.values["networkPolicy"]["enabled"]:
            yield f"{name_of(job)} does not look whether the network denies"


def _users_faults(job: Document) -> Iterator[str]:
    users = {
        item["path"]
        for volume in pod_of(job)["volumes"] if volume["name"] == "users"
        for source in volume["projected"]["sources"]
        for item in source["secret"]["items"]
    }  # fmt: skip
    wanted = {role.name for role in mongo_roles(declared())} if job["metadata"]["name"].endswith("-roles") else set()
    if users != wanted:
        yield f"{name_of(job)} makes other users than the table has: {sorted(users ^ wanted)}"


def _weight(one: Document) -> int:
    """A hook's turn. What is no hook comes with the release, after all of them."""
    return int(one["metadata"].get("annotations", {}).get("helm.sh/hook-weight", 1_000))


def secrets_that_are_named_are_there(chart: Rendered) -> Iterator[str]:
    """With a store, every Secret that a pod names is fetched (or is Strimzi's, or the platform's own), and stays."""
    if not chart.values["externalSecrets"]["enabled"]:
        yield from (f"{name_of(one)} is not asked for" for one in chart.of("ExternalSecret"))
        return
    told = chart.values
    others = {one["metadata"]["name"] for one in chart.of("KafkaUser")} | {
        told["kafka"]["caSecret"]["name"], told["mongodb"]["caSecret"]["name"],
        told["mongodb"]["roles"]["adminSecret"], told["vault"]["credentials"]["secret"],
        *(told["backup"][part]["credentials"]["secret"] for part in ("data", "keys", "packages")),
    }  # fmt: skip
    fetched = {
        one["spec"]["target"]["name"]: {data["secretKey"] for data in one["spec"]["data"]}
        for one in chart.of("ExternalSecret")
    }
    for one in chart.workloads():
        for secret, key in _named(one):
            if secret not in others and key not in fetched.get(secret, set()):
                yield f"{name_of(one)} needs {key} of {secret}, which nobody fetches"
    for one in chart.of("ExternalSecret"):
        target = one["spec"]["target"]
        if target.get("deletionPolicy") != "Retain" or target.get("creationPolicy") != "Orphan":
            yield f"{name_of(one)}: a lost key would be a lost house"


def _named(workload: Document) -> Iterator[tuple[str, str]]:
    for container in containers_of(workload):
        for variable in container.get("env", []):
            if "secretKeyRef" in variable.get("valueFrom", {}):
                yield variable["valueFrom"]["secretKeyRef"]["name"], variable["valueFrom"]["secretKeyRef"]["key"]
    for volume in pod_of(workload)["volumes"]:
        for source in volume.get("projected", {}).get("sources", []):
            yield from ((source["secret"]["name"], item["key"]) for item in source.get("secret", {}).get("items", []))


def prometheus_finds_everybody(chart: Rendered) -> Iterator[str]:
    """The monitor chooses the Services of all processes, at a port that they have."""
    for one in chart.of("ServiceMonitor"):
        found = [
            service
            for service in chart.of("Service")
            if selects(one["spec"]["selector"], service["metadata"]["labels"])
        ]
        if len(found) != len(_PROCESSES):
            yield f"{name_of(one)} finds {len(found)} of {len(_PROCESSES)}"
        ports = {port["name"] for service in found for port in service["spec"]["ports"]}
        yield from (f"{name_of(one)} asks no port" for end in one["spec"]["endpoints"] if end["port"] not in ports)
    if bool(chart.of("ServiceMonitor")) != chart.values["serviceMonitor"]["enabled"]:
        yield "the monitor is there without being wanted, or wanted and not there"
