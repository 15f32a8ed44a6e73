"""Rules over pods: what each may be, run, hold and be asked. Each rule gives a sentence for each fault."""

import re
from collections.abc import Iterator

from services.chassis.service import DRAIN_SECONDS
from services.chassis.web import health
from services.delivery.gateways.webhooks import TIMEOUT_SECONDS
from tests.deploy.chart.rendered import (
    Document,
    Rendered,
    component_of,
    containers_of,
    labels_of,
    name_of,
    pod_of,
    selects,
    texts,
)

# Pod Security Standards, restricted: https://kubernetes.io/docs/concepts/security/pod-security-standards/
_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
_ROOT_OF_TRUST = {"Localhost", "RuntimeDefault"}
_DIGEST = re.compile(r".+@sha256:[0-9a-f]{64}")
_LOGIN_IN_URL = re.compile(r"://[^/\s@]*:[^/\s@]+@")
_TELLING = re.compile(r"(PASSWORD|SECRET|TOKEN(?!_SHA256)|_URI$|PROVIDERS|ACCESS_KEY|^SMTP_URL$|^VAULT_URL$)")


def pods_are_restricted(chart: Rendered) -> Iterator[str]:
    """Everything that the Pod Security Standard *restricted* asks for."""
    for one in chart.workloads():
        pod, name = pod_of(one), name_of(one)
        security = pod.get("securityContext", {})
        if any(pod.get(shared) for shared in ("hostNetwork", "hostPID", "hostIPC")):
            yield f"{name} shares the host's network, processes or memory"
        for volume in pod.get("volumes", []):
            if not (volume.keys() - {"name"}) <= _VOLUMES:
                yield f"{name} mounts {volume['name']}, of a kind that is not allowed"
        if security.get("seccompProfile", {}).get("type") not in _ROOT_OF_TRUST:
            yield f"{name} has no seccomp profile"
        if security.get("runAsNonRoot") is not True or security.get("runAsUser") == 0:
            yield f"{name} may run as root"
        if security.get("sysctls"):
            yield f"{name} sets sysctls"
        for container in containers_of(one):
            yield from (f"{name}: {fault}" for fault in _container_faults(container))


def _container_faults(container: Document) -> Iterator[str]:
    security = container.get("securityContext", {})
    if security.get("allowPrivilegeEscalation") is not False:
        yield "privileges can grow"
    if security.get("privileged"):
        yield "it is privileged"
    if security.get("capabilities", {}).get("drop") != ["ALL"] or security["capabilities"].get("add"):
        yield "it keeps capabilities"
    if security.get("runAsNonRoot") is False or security.get("runAsUser") == 0:
        yield "it runs as root"
    if security.get("seccompProfile", {}).get("type", "RuntimeDefault") not in _ROOT_OF_TRUST:
        yield "it is without seccomp"
    if security.get("procMount", "Default") != "Default":
        yield "it sees more of /proc"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield "it takes a port of the host"


def pods_are_hardened(chart: Rendered) -> Iterator[str]:
    """Beyond the standard: our user, a root that nobody writes, a bounded /tmp, no shell's variables, no host's aliases."""
    for one in chart.workloads():
        pod, name = pod_of(one), name_of(one)
        if [pod["securityContext"].get(who) for who in ("runAsUser", "runAsGroup", "fsGroup")] != [65532] * 3:
            yield f"{name} is not user, group and file group 65532"
        if pod.get("enableServiceLinks") is not False:
            yield f"{name} is told the addresses of all neighbours"
        volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
        for container in containers_of(one):
            if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
                yield f"{name} can write to its own root"
            places = {mount["mountPath"]: mount for mount in container.get("volumeMounts", [])}
            scratch = volumes.get(places.get("/tmp", {}).get("name", ""), {})
            if not scratch.get("emptyDir", {}).get("sizeLimit"):
                yield f"{name} has no bounded /tmp"
            if any(not mount.get("readOnly") for path, mount in places.items() if path != "/tmp"):
                yield f"{name} can write where keys or authorities lie"
            if any(mount.get("subPath") for mount in places.values()):
                yield f"{name} mounts a single file: a new key would not arrive"


def nobody_holds_a_token(chart: Rendered) -> Iterator[str]:
    """Each pod has an account of its own, without a token; nobody has a right at the API server."""
    accounts = {one["metadata"]["name"]: one for one in chart.of("ServiceAccount")}
    taken: dict[str, str] = {}
    for one in chart.workloads():
        pod, name = pod_of(one), name_of(one)
        account = pod.get("serviceAccountName", "default")
        if pod.get("automountServiceAccountToken") is not False:
            yield f"{name} mounts a token"
        if accounts.get(account, {}).get("automountServiceAccountToken") is not False:
            yield f"{name}'s account {account} is not here or hands out tokens"
        if taken.setdefault(account, component_of(one)) != component_of(one):
            yield f"{name} shares the account {account} with {taken[account]}"
        for volume in pod.get("volumes", []):
            if any("serviceAccountToken" in source for source in volume.get("projected", {}).get("sources", [])):
                yield f"{name} mounts a token"
    for kind in ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"):
        yield from (f"{name_of(one)} gives rights at the API server" for one in chart.of(kind))


def probes_ask_the_right_thing(chart: Rendered) -> Iterator[str]:
    """Started, ready and live are three questions, at a port that exists; live never asks Kafka or MongoDB."""
    wanted = {"startupProbe": "/health/started", "readinessProbe": "/health/ready", "livenessProbe": "/health/live"}
    for one in chart.of("Deployment"):
        for container in containers_of(one):
            ports = {port["name"] for port in container.get("ports", [])}
            for probe, path in wanted.items():
                asked = container.get(probe, {})
                if asked.get("httpGet", {}).get("path") != path:
                    yield f"{name_of(one)}: {probe} does not ask {path}"
                if asked.get("httpGet", {}).get("port") not in ports:
                    yield f"{name_of(one)}: {probe} asks a port that is not there"
                if asked.get("timeoutSeconds", 1) <= health.TIMEOUT:
                    yield f"{name_of(one)}: {probe} gives up before the process's own checks do"
            patience = container.get("startupProbe", {})
            if patience.get("periodSeconds", 10) * patience.get("failureThreshold", 3) < 60:
                yield f"{name_of(one)} has less than a minute to start"


def nothing_in_hand_is_lost(chart: Rendered) -> Iterator[str]:
    """Before SIGTERM a pause, for proxies to hear of it; before SIGKILL time for a webhook and the drain. No copy missing."""
    for one in chart.of("Deployment"):
        pod, name = pod_of(one), name_of(one)
        grace = pod.get("terminationGracePeriodSeconds", 30)
        for container in containers_of(one):
            pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            if not pause:
                yield f"{name} is ended without a pause"
            if grace <= pause + TIMEOUT_SECONDS + DRAIN_SECONDS:
                yield f"{name} is killed after {grace} s, before webhook and drain are over"
        rolling = one["spec"].get("strategy", {})
        if rolling.get("type") != "RollingUpdate" or rolling.get("rollingUpdate", {}).get("maxUnavailable") != 0:
            yield f"{name} is upgraded with a copy missing"


def copies_stand_apart(chart: Rendered) -> Iterator[str]:
    """Over zones and hosts, one more at the most; and the constraint chooses the pods that it stands in."""
    for one in chart.of("Deployment"):
        constraints = {rule["topologyKey"]: rule for rule in pod_of(one).get("topologySpreadConstraints", [])}
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname"):
            rule = constraints.get(key)
            if rule is None or rule["maxSkew"] != 1:
                yield f"{name_of(one)} may stand in one place of {key}"
            elif not selects(rule.get("labelSelector"), labels_of(one)):
                yield f"{name_of(one)}: the constraint on {key} does not count its own pods"
            elif "pod-template-hash" not in rule.get("matchLabelKeys", []):
                yield f"{name_of(one)}: old copies count while a new version comes"
        for key, wanted in (("topology.kubernetes.io/zone", "zones"), ("kubernetes.io/hostname", "hosts")):
            if constraints.get(key, {}).get("whenUnsatisfiable") != chart.values["spread"][wanted]:
                yield f"{name_of(one)} does not keep to spread.{wanted}"


def images_are_named_by_digest(chart: Rendered) -> Iterator[str]:
    """A tag can be moved under a running house."""
    for one in chart.workloads():
        for container in containers_of(one):
            if not chart.values["image"]["allowTag"] and not _DIGEST.fullmatch(container["image"]):
                yield f"{name_of(one)} runs {container['image']}, without a digest"
            if not container["image"].startswith(chart.values["image"]["repository"]):
                yield f"{name_of(one)} runs another image than ours: no broker, database or shell comes along"


def secrets_stay_secret(chart: Rendered) -> Iterator[str]:
    """No Secret is made here, no variable that tells something is written out, no map holds a private key."""
    yield from (f"{name_of(one)} is written out" for one in chart.of("Secret"))
    for one in chart.workloads():
        for container in containers_of(one):
            if container.get("envFrom"):
                yield f"{name_of(one)} takes variables that nobody names"
            for variable in container.get("env", []):
                if _TELLING.search(variable["name"]) and "secretKeyRef" not in variable.get("valueFrom", {}):
                    yield f"{name_of(one)}: {variable['name']} is no reference to a Secret"
    for one in chart.of("ConfigMap"):
        for text in one.get("data", {}).values():
            if re.search(r'"(d|p|q|dp|dq|qi|oth|k)"\s*:', text) or "PRIVATE KEY" in text:
                yield f"{name_of(one)} holds a private key"
    for one in chart.documents:
        yield from (f"{name_of(one)} has a login in an address" for text in texts(one) if _LOGIN_IN_URL.search(text))


def resources_are_bounded(chart: Rendered) -> Iterator[str]:
    """What each asks for, and the memory and disk that it may take. No limit of CPU: it would only make it wait."""
    needs = {"cpu", "memory", "ephemeral-storage"}
    for one in chart.workloads():
        for container in containers_of(one):
            given = container.get("resources", {})
            if not needs <= given.get("requests", {}).keys() or not needs - {"cpu"} <= given.get("limits", {}).keys():
                yield f"{name_of(one)} does not say what it needs"
