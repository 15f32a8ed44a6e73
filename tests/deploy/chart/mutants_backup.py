"""Faults of backups, one each: what a careless edit would do to them."""

from collections.abc import Callable

from tests.deploy.chart.rendered import Document, Rendered, containers_of, pod_of

Bend = Callable[[Rendered], object]


def _cron(chart: Rendered, part: str = "data") -> Document:
    return chart.named("CronJob", f"placet-backup-{part}")


def _spec(chart: Rendered, part: str = "data") -> Document:
    spec: Document = _cron(chart, part)["spec"]
    return spec


def _variable(chart: Rendered, part: str, name: str) -> Document:
    found: Document
    (container,) = containers_of(_cron(chart, part))
    (found,) = [one for one in container["env"] if one["name"] == name]
    return found


def _secret(chart: Rendered, part: str, name: str) -> Document:
    asked: Document = _variable(chart, part, name)["valueFrom"]["secretKeyRef"]
    return asked


def _policy(chart: Rendered, name: str) -> list[str]:
    values: list[str] = chart.named("NetworkPolicy", f"placet-{name}")["spec"]["podSelector"]["matchExpressions"][0][
        "values"
    ]
    return values


def _rules(chart: Rendered) -> list[Document]:
    rules: list[Document] = chart.named("PrometheusRule", "placet-backups")["spec"]["groups"][0]["rules"]
    return rules


def _without(chart: Rendered, kind: str, name: str) -> Rendered:
    gone = chart.named(kind, name)
    return Rendered(chart.values, tuple(one for one in chart.documents if one is not gone))


BACKUP: dict[str, Bend] = {
    "keys that nobody backs up": lambda c: _without(c, "CronJob", "placet-backup-keys"),
    "two backups at once": lambda c: _spec(c).update(concurrencyPolicy="Allow"),
    "a backup that cuts off the one before": lambda c: _spec(c).update(concurrencyPolicy="Replace"),
    "a backup that waits for somebody": lambda c: _spec(c).update(suspend=True),
    "a backup at another hour": lambda c: _spec(c).update(schedule="0 0 1 * *"),
    "a backup in the controller's own zone": lambda c: _spec(c).pop("timeZone"),
    "Jobs of a whole year": lambda c: _spec(c).pop("failedJobsHistoryLimit"),
    "no Job to look at": lambda c: _spec(c).update(successfulJobsHistoryLimit=0),
    "a backup that never starts again": lambda c: _spec(c).pop("startingDeadlineSeconds"),
    "a backup without an end": lambda c: _spec(c)["jobTemplate"]["spec"].pop("activeDeadlineSeconds"),
    "keys in the way of the next hour's": lambda c: _spec(c, "keys")["jobTemplate"]["spec"].update(
        activeDeadlineSeconds=7200
    ),
    "data under the name of keys": lambda c: pod_of(_cron(c, "keys"))["containers"][0].update(args=["data"]),
    "a backup as root": lambda c: pod_of(_cron(c))["securityContext"].update(runAsUser=0),
    "a backup that holds a token": lambda c: pod_of(_cron(c)).pop("automountServiceAccountToken"),
    "a backup by another's account": lambda c: pod_of(_cron(c)).update(serviceAccountName="placet-backup-keys"),
    "a backup by a tag": lambda c: pod_of(_cron(c))["containers"][0].update(image="registry.example.org/placet:0.1.0"),
    "a backup without a bound": lambda c: pod_of(_cron(c))["containers"][0].pop("resources"),
    "keys beside data": lambda c: _secret(c, "keys", "PLACET_BACKUP_URL").update(name="placet-backup-data"),
    "one user who reads both": lambda c: _secret(c, "data", "PLACET_BACKUP_MONGODB_URI").update(
        name="placet-backup-keys-mongodb"
    ),
    "a backup as the administrator": lambda c: _secret(c, "data", "PLACET_BACKUP_MONGODB_URI").update(
        name="placet-mongodb-admin"
    ),
    "packages by who reads the database": lambda c: _variable(c, "packages", "VAULT_URL").update(
        name="PLACET_BACKUP_MONGODB_URI"
    ),
    "data under the vault's login": lambda c: _secret(c, "data", "AWS_ACCESS_KEY_ID").update(name="placet-s3"),
    "the master key beside the keys": lambda c: pod_of(_cron(c, "keys"))["volumes"].append(
        {"name": "keys", "secret": {"secretName": "placet-keys-master"}}
    ),
    "an address written out": lambda c: _variable(c, "data", "PLACET_BACKUP_MONGODB_URI").update(
        value="mongodb://a", valueFrom={}
    ),
    "a place that nobody fetches": lambda c: _without(c, "ExternalSecret", "placet-backup-keys"),
    "backups that nobody watches": lambda c: _without(c, "PrometheusRule", "placet-backups"),
    "an alert for another name": lambda c: _rules(c)[0].update(expr=_rules(c)[0]["expr"].replace("backup", "dump")),
    "keys watched by the day": lambda c: _rules(c).pop(1),
    "data watched by the hour": lambda c: _rules(c)[1].update(expr=_rules(c)[1]["expr"].replace("-keys", ".*")),
    "the data's backup at the keys' place": lambda c: _policy(c, "to-backup-keys").append("backup-data"),
    "no database for the backup": lambda c: _policy(c, "to-mongodb").remove("backup-keys"),
    "the database for who copies packages": lambda c: _policy(c, "to-mongodb").append("backup-packages"),
    "the vault for the data's backup": lambda c: _policy(c, "to-vault").append("backup-data"),
    "a process where backups lie": lambda c: _policy(c, "to-backup-data").append("records-worker"),
    "Kafka for a backup": lambda c: _policy(c, "to-kafka").append("backup-data"),
}
