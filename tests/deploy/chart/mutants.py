"""One fault each: what a careless edit of the chart would do to the manifests. Every one has to be caught by a rule."""

from collections.abc import Callable

from tests.deploy.chart.mutants_backup import BACKUP
from tests.deploy.chart.rendered import Document, Rendered, pod_of

Bend = Callable[[Rendered], object]

_LABEL = "app.kubernetes.io/component"


def _deployment(chart: Rendered, process: str = "consent-api") -> Document:
    return chart.named("Deployment", f"placet-{process}")


def _pod(chart: Rendered, process: str = "consent-api") -> Document:
    return pod_of(_deployment(chart, process))


def _container(chart: Rendered, process: str = "consent-api") -> Document:
    container: Document = _pod(chart, process)["containers"][0]
    return container


def _one(among: list[Document], key: str, value: str) -> Document:
    (found,) = [one for one in among if one[key] == value]
    return found


def _variable(chart: Rendered, name: str, process: str = "consent-api") -> Document:
    return _one(_container(chart, process)["env"], "name", name)


def _volume(pod: Document, name: str) -> Document:
    return _one(pod["volumes"], "name", name)


def _keys(chart: Rendered, process: str) -> list[Document]:
    sources: list[Document] = _volume(_pod(chart, process), "keys")["projected"]["sources"]
    return sources


def _policy(chart: Rendered, name: str) -> Document:
    spec: Document = chart.named("NetworkPolicy", f"placet-{name}")["spec"]
    return spec


def _named_in(policy: Document) -> list[str]:
    values: list[str] = policy["podSelector"]["matchExpressions"][0]["values"]
    return values


def _acls(chart: Rendered, user: str) -> list[Document]:
    acls: list[Document] = chart.named("KafkaUser", user)["spec"]["authorization"]["acls"]
    return acls


def _topic(chart: Rendered, name: str = "consent.requests") -> Document:
    spec: Document = chart.named("KafkaTopic", name)["spec"]
    return spec


def _spread(chart: Rendered, key: str) -> Document:
    return _one(_pod(chart)["topologySpreadConstraints"], "topologyKey", key)


def _trigger(chart: Rendered) -> Document:
    trigger: Document = chart.named("ScaledObject", "placet-delivery-worker")["spec"]["triggers"][0]
    return trigger


def _tested(chart: Rendered) -> Document:
    return _one(
        pod_of(chart.named("Job", "placet-self-test"))["containers"][0]["env"], "name", "PLACET_SELFTEST_PROCESSES"
    )


def _without(documents: Rendered, kind: str, name: str) -> Rendered:
    gone = documents.named(kind, name)
    return Rendered(documents.values, tuple(one for one in documents.documents if one is not gone))


def _and(documents: Rendered, *more: Document) -> Rendered:
    return Rendered(documents.values, (*documents.documents, *more))


def _write(group: str, name: str) -> Document:
    return {
        "resource": {"type": "topic", "name": name, "patternType": "literal"},
        "operations": ["Write"],
        "host": group,
    }


PODS: dict[str, Bend] = {
    "a container as root": lambda c: _container(c)["securityContext"].update(runAsUser=0),
    "a pod that may be root": lambda c: _pod(c)["securityContext"].pop("runAsNonRoot"),
    "another user": lambda c: _pod(c)["securityContext"].update(runAsUser=1000),
    "a root that can be written": lambda c: _container(c)["securityContext"].pop("readOnlyRootFilesystem"),
    "no seccomp": lambda c: _pod(c)["securityContext"].pop("seccompProfile"),
    "seccomp unconfined": lambda c: _container(c)["securityContext"].update(seccompProfile={"type": "Unconfined"}),
    "capabilities kept": lambda c: _container(c)["securityContext"].pop("capabilities"),
    "a capability added": lambda c: _container(c)["securityContext"]["capabilities"].update(add=["NET_RAW"]),
    "privileges can grow": lambda c: _container(c)["securityContext"].pop("allowPrivilegeEscalation"),
    "a privileged container": lambda c: _container(c)["securityContext"].update(privileged=True),
    "the host's network": lambda c: _pod(c).update(hostNetwork=True),
    "a folder of the host": lambda c: _pod(c)["volumes"].append({"name": "host", "hostPath": {"path": "/"}}),
    "a port of the host": lambda c: _container(c)["ports"][0].update(hostPort=8080),
    "no /tmp": lambda c: _container(c)["volumeMounts"].pop(0),
    "a /tmp without an end": lambda c: _volume(_pod(c), "tmp")["emptyDir"].clear(),
    "keys that can be written": lambda c: _container(c)["volumeMounts"][1].pop("readOnly"),
    "a key as a single file": lambda c: _container(c)["volumeMounts"][1].update(subPath="master.key"),
    "addresses of all neighbours": lambda c: _pod(c).pop("enableServiceLinks"),
    "a token in the pod": lambda c: _pod(c).pop("automountServiceAccountToken"),
    "an account that hands out tokens": lambda c: c.named("ServiceAccount", "placet-consent-api").pop(
        "automountServiceAccountToken"
    ),
    "the default account": lambda c: _pod(c).pop("serviceAccountName"),
    "another's account": lambda c: _pod(c).update(serviceAccountName="placet-consent-relay"),
    "a token by the back door": lambda c: _keys(c, "consent-api").append({"serviceAccountToken": {"path": "token"}}),
    "rights at the API server": lambda c: _and(c, {"kind": "RoleBinding", "metadata": {"name": "placet"}}),
    "a bootstrap Job as root": lambda c: pod_of(c.named("Job", "placet-bootstrap-roles"))["securityContext"].update(
        runAsUser=0
    ),
    "live asks what ready asks": lambda c: _container(c)["livenessProbe"]["httpGet"].update(path="/health/ready"),
    "a probe at no port": lambda c: _container(c)["readinessProbe"]["httpGet"].update(port="web"),
    "no startup probe": lambda c: _container(c).pop("startupProbe"),
    "ten seconds to start": lambda c: _container(c)["startupProbe"].update(failureThreshold=5),
    "an impatient probe": lambda c: _container(c)["readinessProbe"].update(timeoutSeconds=1),
    "no pause before the end": lambda c: _container(c).pop("lifecycle"),
    "killed in the midst of a webhook": lambda c: _pod(c, "delivery-worker").update(terminationGracePeriodSeconds=30),
    "all copies replaced at once": lambda c: _deployment(c)["spec"].update(strategy={"type": "Recreate"}),
    "one copy missing in an upgrade": lambda c: _deployment(c)["spec"]["strategy"]["rollingUpdate"].update(
        maxUnavailable=1
    ),
    "all in one zone": lambda c: _pod(c)["topologySpreadConstraints"].remove(_spread(c, "topology.kubernetes.io/zone")),
    "spread that counts others": lambda c: _spread(c, "kubernetes.io/hostname")["labelSelector"]["matchLabels"].update(
        {_LABEL: "records-api"}
    ),
    "spread that old copies hinder": lambda c: _spread(c, "kubernetes.io/hostname").pop("matchLabelKeys"),
    "a spread that is only a wish": lambda c: _spread(c, "kubernetes.io/hostname").update(
        whenUnsatisfiable="ScheduleAnyway"
    ),
    "a tag": lambda c: _container(c).update(image="registry.example.org/placet:latest"),
    "somebody else's image": lambda c: _pod(c).update(
        initContainers=[{**_container(c), "name": "wait", "image": "docker.io/busybox@sha256:" + "0" * 64}]
    ),
    "a password written out": lambda c: _variable(c, "PLACET_KAFKA_RELAY_PASSWORD", "consent-relay").update(
        value="Zf7-Yq1kX9w3", valueFrom={}
    ),
    "a login in an address": lambda c: _variable(c, "PLACET_PUBLIC_URL").update(
        value="https://me:Zf7Yq1kX9w3@example.org"
    ),
    "a Secret in the chart": lambda c: _and(
        c, {"kind": "Secret", "metadata": {"name": "placet"}, "stringData": {"a": "b"}}
    ),
    "a private key among the public ones": lambda c: c.named("ConfigMap", "placet-public-keys")["data"].update(
        {"consent.public.jwks.json": '{"keys": [{"kty": "OKP", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}]}'}
    ),
    "a whole Secret as variables": lambda c: _container(c).update(envFrom=[{"secretRef": {"name": "placet-vault"}}]),
    "logs without an end": lambda c: _container(c)["resources"]["limits"].pop("ephemeral-storage"),
    "no word on memory": lambda c: _container(c)["resources"].pop("limits"),
}

HOUSE: dict[str, Bend] = {
    "a process left out": lambda c: _without(c, "Deployment", "placet-notify-relay"),
    "a database beside": lambda c: _and(c, {"kind": "StatefulSet", "metadata": {"name": "mongodb"}}),
    "all roles in one": lambda c: _container(c).update(args=["all"]),
    "two services swapped": lambda c: _container(c).update(command=["python", "-m", "services.records"]),
    "a selector for the whole service": lambda c: _deployment(c)["spec"]["selector"]["matchLabels"].pop(_LABEL),
    "a Service that chooses nothing": lambda c: c.named("Service", "placet-consent-api")["spec"]["selector"].update(
        {_LABEL: "consent"}
    ),
    "a Service to no port": lambda c: c.named("Service", "placet-consent-api")["spec"]["ports"][0].update(
        targetPort="web"
    ),
    "a Service open to the world": lambda c: c.named("Service", "placet-consent-api")["spec"].update(
        type="LoadBalancer"
    ),
    "no budget": lambda c: _without(c, "PodDisruptionBudget", "placet-consent-api"),
    "a budget of nothing": lambda c: c.named("PodDisruptionBudget", "placet-consent-api")["spec"].update(
        maxUnavailable=0
    ),
    "a budget for others": lambda c: c.named("PodDisruptionBudget", "placet-consent-api")["spec"]["selector"][
        "matchLabels"
    ].update({_LABEL: "consent"}),
    "a sick copy that keeps a node": lambda c: c.named("PodDisruptionBudget", "placet-consent-api")["spec"].pop(
        "unhealthyPodEvictionPolicy"
    ),
    "a variable forgotten": lambda c: _container(c)["env"].remove(_variable(c, "PLACET_PUBLIC_URL")),
    "a variable that nobody reads": lambda c: _container(c)["env"].append({"name": "PLACET_OIDC_ISSUER", "value": "x"}),
    "local mode": lambda c: _container(c)["env"].append({"name": "PLACET_MODE", "value": "local"}),
    "Kafka for who faces the web": lambda c: _container(c)["env"].append(
        {"name": "KAFKA_BOOTSTRAP_SERVERS", "value": "kafka:9093"}
    ),
    "the relay's credential for the worker": lambda c: _variable(c, "PLACET_KAFKA_WORKER_PASSWORD", "consent-worker")[
        "valueFrom"
    ]["secretKeyRef"].update(name="consent-relay"),
    "another's name at Kafka": lambda c: _variable(c, "PLACET_KAFKA_WORKER_USER", "notify-worker").update(
        value="consent-relay"
    ),
    "consent's database for records": lambda c: _variable(c, "PLACET_MONGODB_API_URI", "records-api")["valueFrom"][
        "secretKeyRef"
    ].update(name="placet-consent-api-mongodb"),
    "the grant key for the worker": lambda c: _keys(c, "records-worker").append(
        {
            "secret": {
                "name": "placet-keys-consent-private",
                "items": [{"key": "consent.private.jwks.json", "path": "consent.private.jwks.json"}],
            }
        }
    ),
    "consent's api without the grants' public keys": lambda c: _keys(c, "consent-api").pop(1),
    "public keys out of a Secret": lambda c: _keys(c, "consent-api")[1].update(
        secret=_keys(c, "consent-api")[1].pop("configMap")
    ),
    "two private keys in one Secret": lambda c: _keys(c, "delivery-api")[0]["secret"].update(
        name="placet-keys-records-private"
    ),
    "keys that everybody may read": lambda c: _volume(_pod(c), "keys")["projected"].update(defaultMode=0o444),
    "two writers of approvals": lambda c: _acls(c, "records-relay").append(_write("*", "consent.requests")),
    "a wildcard": lambda c: _acls(c, "records-relay").append(_write("*", "*")),
    "a prefix": lambda c: _acls(c, "consent-relay")[0]["resource"].update(patternType="prefix"),
    "a Kafka user for the web": lambda c: _and(
        c, {**c.named("KafkaUser", "consent-relay"), "metadata": {"name": "consent-api"}}
    ),
    "a reader's right forgotten": lambda c: _acls(c, "notify-worker").pop(),
    "a user by certificate": lambda c: c.named("KafkaUser", "consent-relay")["spec"]["authentication"].update(
        type="tls"
    ),
    "a topic forgotten": lambda c: _without(c, "KafkaTopic", "records.releases"),
    "fewer partitions": lambda c: _topic(c).update(partitions=1),
    "a day of memory": lambda c: _topic(c)["config"].update({"retention.ms": 86_400_000}),
    "one copy in sync is enough": lambda c: _topic(c)["config"].update({"min.insync.replicas": 1}),
    "a single copy": lambda c: _topic(c).update(replicas=1),
    "a leader that forgets": lambda c: _topic(c)["config"].update({"unclean.leader.election.enable": True}),
    "a compacted topic": lambda c: _topic(c)["config"].update({"cleanup.policy": "compact"}),
    "a topic that goes with the release": lambda c: c.named("KafkaTopic", "consent.requests")["metadata"].pop(
        "annotations"
    ),
    "copies said twice": lambda c: _deployment(c, "delivery-worker")["spec"].update(replicas=3),
    "no copies said": lambda c: _deployment(c)["spec"].pop("replicas"),
    "scaled to one": lambda c: c.named("ScaledObject", "placet-delivery-worker")["spec"].update(minReplicaCount=1),
    "scaled without a bound of use": lambda c: _trigger(c)["metadata"].pop("limitToPartitionsWithLag"),
    "scaled by another group": lambda c: _trigger(c)["metadata"].update(consumerGroup="placet-notify"),
    "scaled by another topic": lambda c: _trigger(c)["metadata"].update(topic="notify.messages"),
    "lag asked for in clear": lambda c: _trigger(c)["metadata"].pop("tls"),
    "lag asked for in a language that brokers forgot": lambda c: _trigger(c)["metadata"].pop("version"),
    "lag asked for under another's password": lambda c: c.named("TriggerAuthentication", "placet-delivery-worker")[
        "spec"
    ]["secretTargetRef"][0].update(name="delivery-relay"),
    "lag asked for under the name of nobody": lambda c: c.named("TriggerAuthentication", "placet-delivery-worker")[
        "spec"
    ]["env"][0].update(containerName="worker"),
    "a broker whose authority nobody checks": lambda c: c.named("TriggerAuthentication", "placet-delivery-worker")[
        "spec"
    ]["secretTargetRef"].pop(),
    "scaled without a login": lambda c: _without(c, "TriggerAuthentication", "placet-delivery-worker"),
    "a path to another service": lambda c: c.named("Ingress", "placet")["spec"]["rules"][0]["http"]["paths"][0].update(
        path="/consent"
    ),
    "the whole origin to one service": lambda c: c.named("HTTPRoute", "placet")["spec"]["rules"][0]["matches"][0][
        "path"
    ].update(value="/"),
    "metrics for everybody": lambda c: c.named("Ingress", "placet")["spec"]["rules"][0]["http"]["paths"].append(
        {"path": "/metrics", "pathType": "Prefix", "backend": {"service": {"name": "placet-consent-api"}}}
    ),
    "another's host": lambda c: c.named("HTTPRoute", "placet")["spec"].update(hostnames=["*"]),
    "a door in clear": lambda c: c.named("Ingress", "placet")["spec"]["tls"][0].pop("hosts"),
    "a certificate for another door": lambda c: c.named("Certificate", "placet")["spec"].update(secretName="else"),
    "collections before roles": lambda c: c.named("Job", "placet-bootstrap-roles")["metadata"]["annotations"].update(
        {"helm.sh/hook-weight": "0"}
    ),
    "a Job after the pods": lambda c: c.named("Job", "placet-bootstrap-roles")["metadata"]["annotations"].update(
        {"helm.sh/hook": "post-install"}
    ),
    "a Job in the way of the next": lambda c: c.named("Job", "placet-bootstrap-roles")["metadata"]["annotations"].pop(
        "helm.sh/hook-delete-policy"
    ),
    "a Job without an end": lambda c: c.named("Job", "placet-bootstrap-roles")["spec"].pop("activeDeadlineSeconds"),
    "a user forgotten": lambda c: _volume(pod_of(c.named("Job", "placet-bootstrap-roles")), "users")["projected"][
        "sources"
    ].pop(),
    "an account that comes too late": lambda c: c.named("ServiceAccount", "placet-bootstrap")["metadata"].pop(
        "annotations"
    ),
    "a Secret that nobody fetches": lambda c: _without(c, "ExternalSecret", "placet-keys-blind-index"),
    "a Secret that goes with its resource": lambda c: c.named("ExternalSecret", "placet-keys-blind-index")["spec"][
        "target"
    ].update(deletionPolicy="Delete"),
    "a version in the selector": lambda c: _deployment(c)["spec"]["selector"]["matchLabels"].update(
        {"app.kubernetes.io/version": "0.1.0"}
    ),
    "no self-test": lambda c: _without(c, "Job", "placet-self-test"),
    "a self-test before all": lambda c: c.named("Job", "placet-self-test")["metadata"]["annotations"].update(
        {"helm.sh/hook": "pre-install"}
    ),
    "a self-test that forgets one": lambda c: _tested(c).update(
        value='{"consent-api": "http://placet-consent-api:8080"}'
    ),
    "a self-test at another door": lambda c: _tested(c).update(
        value=_tested(c)["value"].replace("placet-consent-api:8080", "placet-records-api:8080")
    ),
    "a self-test that is cut short": lambda c: c.named("Job", "placet-self-test")["spec"].update(
        activeDeadlineSeconds=60
    ),
    "a self-test blind to an open network": lambda c: pod_of(c.named("Job", "placet-self-test"))["containers"][0][
        "env"
    ].pop(),
    "a monitor that finds nobody": lambda c: c.named("ServiceMonitor", "placet")["spec"]["selector"][
        "matchLabels"
    ].update({"placet/metrics": "yes"}),
    "a monitor at no port": lambda c: c.named("ServiceMonitor", "placet")["spec"]["endpoints"][0].update(
        port="metrics"
    ),
}

NETWORK: dict[str, Bend] = {
    "no default deny": lambda c: _without(c, "NetworkPolicy", "placet-deny"),
    "deny one way only": lambda c: _policy(c, "deny").update(policyTypes=["Ingress"]),
    "deny for some": lambda c: _policy(c, "deny")["podSelector"]["matchLabels"].update({_LABEL: "consent-api"}),
    "everybody on the internet": lambda c: _policy(c, "to-recipients").update(podSelector={}),
    "records on the internet": lambda c: _policy(c, "to-recipients")["podSelector"]["matchLabels"].update(
        {_LABEL: "records-worker"}
    ),
    "webhooks to private networks": lambda c: _policy(c, "to-recipients")["egress"][0]["to"][0]["ipBlock"].pop(
        "except"
    ),
    "webhooks to the cloud's metadata": lambda c: _policy(c, "to-recipients")["egress"][0]["to"][0]["ipBlock"][
        "except"
    ].remove("169.254.0.0/16"),
    "webhooks to private networks over IPv6": lambda c: _policy(c, "to-recipients")["egress"][0]["to"][1][
        "ipBlock"
    ].update(cidr="::/0"),
    "webhooks at any port": lambda c: _policy(c, "to-recipients")["egress"][0].pop("ports"),
    "mail from everybody": lambda c: _named_in(_policy(c, "to-mail")).append("consent-worker"),
    "Kafka for the web": lambda c: _named_in(_policy(c, "to-kafka")).append("consent-api"),
    "no Kafka for a relay": lambda c: _named_in(_policy(c, "to-kafka")).remove("consent-relay"),
    "the vault for consent": lambda c: _named_in(_policy(c, "to-vault")).append("consent-api"),
    "no database for the Jobs": lambda c: _named_in(_policy(c, "to-mongodb")).remove("bootstrap"),
    "the database at any port": lambda c: _policy(c, "to-mongodb")["egress"][0].pop("ports"),
    "any peer for the database": lambda c: _policy(c, "to-mongodb")["egress"][0].pop("to"),
    "no names": lambda c: _without(c, "NetworkPolicy", "placet-to-dns"),
    "names over UDP only": lambda c: _policy(c, "to-dns")["egress"][0]["ports"].pop(),
    "names from anybody": lambda c: _policy(c, "to-dns")["egress"][0].pop("ports"),
    "the door to a worker": lambda c: _named_in(_policy(c, "from-front")).append("consent-worker"),
    "anybody through the door": lambda c: _policy(c, "from-front")["ingress"][0].pop("from"),
    "the door to any port": lambda c: _policy(c, "from-front")["ingress"][0].pop("ports"),
    "no Prometheus": lambda c: _without(c, "NetworkPolicy", "placet-from-metrics"),
    "the self-test on the internet": lambda c: _policy(c, "to-ourselves")["egress"][0].pop("to"),
    "a door for whoever": lambda c: _policy(c, "from-self-test")["ingress"][0].pop("from"),
    "our own among themselves": lambda c: _policy(c, "from-metrics")["ingress"][0]["from"].append({"podSelector": {}}),
}

MUTANTS: dict[str, Bend] = {**PODS, **HOUSE, **BACKUP, **NETWORK}
