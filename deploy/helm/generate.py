"""Writes what of the deployment is made from the code, and checks that it is fresh.

`python -m deploy.helm.generate` writes; with `--check` it writes nothing and fails when something is not fresh. Made are:
what the chart's templates read (`placet/files/house.yaml`), MongoDB's roles as data and as a script, Kafka's topics and
access lists as a script, the tables of sizes and values in deploy/README.md, and the manifests of the three profiles.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from deploy.helm import sizing
from deploy.helm.facts import house, roles, topics, users
from deploy.helm.tools import NotFetched, helm
from deploy.helm.values import table

DEPLOY = Path(__file__).parents[1]
CHART = DEPLOY / "helm" / "placet"
EXAMPLES = DEPLOY / "examples"
README = DEPLOY / "README.md"
RELEASE = "placet"
# Profile → the examples that complete it.
PROFILES = {
    "small": ("house", "managed"),
    "standard": ("house", "strimzi", "mongodb-community"),
    "high-availability": ("house", "strimzi", "percona", "operators"),
}
_MARKS = "<!-- {0}: made by `python -m deploy.helm.generate` -->\n", "<!-- end of {0} -->\n"
_MADE = "Made by `python -m deploy.helm.generate` from contracts/topics.py, deploy/local/principals.py and the services' settings."


def plain(node: Any) -> Any:
    """A value of dicts, lists and scalars alone, each its own: YAML would write tuples and repeated ones its own way."""
    if isinstance(node, dict):
        return {str(name): plain(value) for name, value in node.items()}
    if isinstance(node, list | tuple):
        return [plain(value) for value in node]
    return node


def house_file() -> str:
    """What the templates read."""
    written: str = yaml.safe_dump(plain(house()), sort_keys=False, width=120, allow_unicode=True)
    return f"# {_MADE}\n{written}"


def roles_script() -> str:
    """MongoDB's roles for mongosh, for whoever makes users by other means than the chart's Job."""
    kept = json.dumps(roles(), indent=1)
    return f"""// {_MADE}
// As an administrator: mongosh "$MONGODB_ADMIN_URI" deploy/mongodb/roles.js
// Again and again without harm: a role that is there gets exactly these rights. Users are made apart, one for each role,
// with the role's name, in `admin`: db.createUser({{user: "consent-api", pwd: passwordPrompt(), roles: ["consent-api"]}})
const wanted = {kept};
const admin = db.getSiblingDB("admin");
for (const role of wanted) {{
  const change = {{privileges: role.privileges, roles: []}};
  if (admin.getRole(role.name)) admin.updateRole(role.name, change);
  else admin.createRole({{role: role.name, ...change}});
}}
print(`${{wanted.length}} roles are as the code says`);
"""


def kafka_script() -> str:
    """Topics and access lists with Kafka's own tools, for a Kafka that Strimzi does not keep."""
    lines = [
        "#!/bin/sh",
        f"# {_MADE}",
        "# As the cluster's super user: BOOTSTRAP=host:9093 CONFIG=admin.properties REPLICAS=3 deploy/examples/kafka-authorize.sh",
        "# Again and again without harm. Users and their passwords (SCRAM-SHA-512) are made apart, where your Kafka keeps them.",
        "set -eu",
        'at="--bootstrap-server $BOOTSTRAP --command-config $CONFIG"',
    ]
    lines += [
        f"kafka-topics.sh $at --create --if-not-exists --topic {topic['name']} --partitions {topic['partitions']} "
        '--replication-factor "${REPLICAS:-3}" --config cleanup.policy=delete --config min.insync.replicas=2 '
        f"--config retention.ms={topic['retentionMs']} --config unclean.leader.election.enable=false"
        for topic in topics()
    ]
    for user in users():
        for acl in user["acls"]:
            resource = acl["resource"]
            where = "--cluster" if resource["type"] == "cluster" else f"--{resource['type']} {resource['name']}"
            allowed = " ".join(f"--operation {operation}" for operation in acl["operations"])
            lines.append(
                f"kafka-acls.sh $at --add --allow-principal User:{user['name']} --allow-host '*' {allowed} {where}"
            )
    return "\n".join(lines) + "\n"


def readme() -> str:
    """deploy/README.md with today's tables of sizes and of values between their marks."""
    text = README.read_text()
    tables = {"sizes": sizing.table(sizing.RESULTS.read_text()), "values": table((CHART / "values.yaml").read_text())}
    for name, made_now in tables.items():
        begin, end = (mark.format(name) for mark in _MARKS)
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = before + begin + made_now + end + after
    return text


def documents(text: str) -> list[dict[str, Any]]:
    """The documents of a YAML text, without the empty ones that a template leaves."""
    return [one for one in yaml.load_all(text, yaml.CSafeLoader) if one]


def render(values: Sequence[Path], *, major: int = 4, sets: Sequence[str] = ()) -> str:
    """What Helm makes of the chart with these files of values. Raises CalledProcessError, with Helm's words in `stderr`."""
    words: list[str | Path] = [helm(major), "template", RELEASE, CHART, "--namespace", RELEASE]
    words += ["--kube-version", "1.37.0"]
    for path in values:
        words += ["--values", path]
    for one in sets:
        words += ["--set-json", one]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def manifests(profile: str) -> str:
    """A profile, rendered with its examples."""
    values = [
        DEPLOY / "helm" / "profiles" / f"{profile}.yaml",
        *(EXAMPLES / f"{name}.yaml" for name in PROFILES[profile]),
    ]
    told = " ".join(f"-f {path.relative_to(DEPLOY.parent)}" for path in values)
    head = f"# Made by `python -m deploy.helm.generate`: helm template {RELEASE} deploy/helm/placet {told}\n"
    return head + render(values)


def made() -> dict[Path, Callable[[], str]]:
    """Every file, and how it is made; in this order, for the manifests are rendered from the file of the house."""
    return {
        CHART / "files" / "house.yaml": house_file,
        DEPLOY / "mongodb" / "roles.json": lambda: json.dumps(roles(), indent=1) + "\n",
        DEPLOY / "mongodb" / "roles.js": roles_script,
        EXAMPLES / "kafka-authorize.sh": kafka_script,
        README: readme,
        **{DEPLOY / "manifests" / f"{name}.yaml": partial(manifests, name) for name in PROFILES},
    }


def is_fresh(path: Path, text: str) -> bool:
    """Whether a file says what would be written. Manifests are compared as values: Helm's versions differ in blank lines."""
    if not path.exists():
        return False
    if path.parent.name == "manifests":
        return documents(path.read_text()) == documents(text)
    return path.read_text() == text


def main(arguments: list[str]) -> int:
    """Write, or check."""
    try:
        if "--check" in arguments:
            stale = [path for path, make in made().items() if not is_fresh(path, make())]
            if stale:
                print("Not fresh; run `python -m deploy.helm.generate`:")
                print(*(f"  {path.relative_to(DEPLOY.parent)}" for path in stale), sep="\n")
            return 1 if stale else 0
        for path, make in made().items():
            path.parent.mkdir(exist_ok=True)
            path.write_text(make())
    except subprocess.CalledProcessError as why:
        print("Helm can't render the chart:", why.stderr, file=sys.stderr)
        return 1
    except NotFetched as why:
        print(why, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
