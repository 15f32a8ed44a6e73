"""Rules over backups: each part by itself, data and what opens them never in one hand, and watched."""

import re
from collections.abc import Iterator
from datetime import timedelta

from deploy.helm.facts import house
from deploy.observe.alerts import BACKUPS
from tests.deploy.chart.rendered import (
    Document,
    Rendered,
    component_of,
    containers_of,
    name_of,
    pod_of,
)

PARTS = ("data", "keys", "packages")
_LONGEST_NAME = 52
"""Of a CronJob: its Jobs have eleven characters more."""
_HOUR = timedelta(hours=1)


def each_part_is_backed_up_by_itself(chart: Rendered) -> Iterator[str]:
    """A CronJob for each part: never two at once, ended before the next, with its past kept short, in a zone that is said."""
    told = chart.values["backup"]
    crons = {component_of(one).removeprefix("backup-"): one for one in chart.of("CronJob")}
    if sorted(crons) != (sorted(PARTS) if told["enabled"] else []) or len(crons) != len(chart.of("CronJob")):
        yield f"backed up are {sorted(crons)}"
    for part, one in crons.items():
        spec, job = one["spec"], one["spec"]["jobTemplate"]["spec"]
        if spec.get("schedule") != told[part]["schedule"] or spec.get("timeZone") != told["timeZone"]:
            yield f"{name_of(one)} does not run when it is said"
        if spec.get("concurrencyPolicy") != "Forbid" or spec.get("suspend"):
            yield f"{name_of(one)} runs beside itself, or not at all"
        if not all(spec.get(kept) in range(1, 6) for kept in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit")):
            yield f"{name_of(one)} keeps all its Jobs, or none to look at"
        # Without it a hundred missed starts stop a CronJob for good.
        if not spec.get("startingDeadlineSeconds"):
            yield f"{name_of(one)} may never start again"
        yield from _ended(one, part, job)
        commands = [[*container.get("command", []), *container.get("args", [])] for container in containers_of(one)]
        if commands != [["python", "-m", "deploy.backup", part]]:
            yield f"{name_of(one)} runs something else"
        if len(one["metadata"]["name"]) > _LONGEST_NAME:
            yield f"{name_of(one)} has a name that the API server refuses"


def _ended(one: Document, part: str, job: Document) -> Iterator[str]:
    if job.get("backoffLimit") is None or not job.get("activeDeadlineSeconds"):
        yield f"{name_of(one)} may go on for ever"
    elif part == "keys" and timedelta(seconds=job["activeDeadlineSeconds"]) >= _HOUR:
        yield f"{name_of(one)} may be in its own way an hour later"


def no_hand_holds_data_and_keys(chart: Rendered) -> Iterator[str]:
    """Each part has its own place, its own login and, at MongoDB, its own user; no process's, and no key file."""
    held = {component_of(one): _secrets_of(one) for one in chart.of("CronJob")}
    users = house()["backupUsers"]
    for one in chart.of("CronJob"):
        part = component_of(one).removeprefix("backup-")
        wanted = {("PLACET_BACKUP_URL", f"backup-{part}")}
        wanted |= {("PLACET_BACKUP_MONGODB_URI", f"{users[part]}-mongodb")} if users[part] else {("VAULT_URL", "vault")}
        given = {(name, secret) for name, secret in held[component_of(one)] if not name.startswith(_STORES)}
        prefix = chart.values["secrets"]["prefix"] or "placet"
        if given != {(name, f"{prefix}-{secret}") for name, secret in wanted}:
            yield f"{name_of(one)} is given {sorted(given)}"
        store = chart.values["backup"][part]["credentials"]
        if {secret for name, secret in held[component_of(one)] if name.startswith(_STORES)} - {store["secret"]}:
            yield f"{name_of(one)} lays under another login than its own"
        if any(volume["name"] not in {"tmp", "mongodb-authority"} for volume in pod_of(one)["volumes"]):
            yield f"{name_of(one)} holds more than an authority"
    data, keys = ({secret for _, secret in held.get(f"backup-{part}", ())} for part in ("data", "keys"))
    yield from (f"{secret} is for data and for keys" for secret in sorted(data & keys))


_STORES = ("AWS_", "GOOGLE_", "AZURE_")


def _secrets_of(one: Document) -> set[tuple[str, str]]:
    return {
        (variable["name"], variable["valueFrom"]["secretKeyRef"]["name"])
        for container in containers_of(one)
        for variable in container.get("env", [])
        if "secretKeyRef" in variable.get("valueFrom", {})
    }


def backups_are_watched(chart: Rendered) -> Iterator[str]:
    """Where alerts are, a backup that is made here has its alert, by the name that it has."""
    made = [one["metadata"]["name"] for one in chart.of("CronJob")]
    watched = [one for one in chart.of("PrometheusRule") if one["metadata"]["name"].endswith("-backups")]
    told = chart.values["alerts"]
    if bool(watched) != (told["enabled"] and told["backups"]):
        yield "backups are watched without being asked for, or asked for and not watched"
    if made and told["enabled"] and not watched:
        yield "backups are made, and nobody is told when they are not"
    for one in watched:
        rules = {rule.get("alert") or rule["record"]: rule["expr"] for rule in one["spec"]["groups"][0]["rules"]}
        if rules.keys() != {getattr(rule, "name", "") for rule in BACKUPS.rules}:
            yield f"{name_of(one)} has other rules than the code's"
        yield from _unseen(made, rules["placet:backup:age_seconds"], rules.get("PlacetKeyBackupOld", ""))


def _unseen(made: list[str], age: str, of_keys: str) -> Iterator[str]:
    every, hourly = (re.findall(r'cronjob=~"([^"]+)"', expr) for expr in (age, of_keys))
    for name in made:
        if not all(re.fullmatch(pattern, name) for pattern in every):
            yield f"nobody watches {name}"
        if any(bool(re.fullmatch(pattern, name)) != name.endswith("-keys") for pattern in hourly):
            yield f"{name} is watched by another hour than its own"
