"""Draws every password and key of one installation, and writes them as Secrets for `kubectl apply`.

`MONGODB_URI=… VAULT_URL=… SMTP_URL=… python -m deploy.helm.secrets FOLDER` writes into FOLDER (mode 0700):
`secrets.yaml` for the cluster, `values.yaml` with the public keys for Helm, and what they were drawn from. A second run
draws nothing anew. Addresses come from the environment and not from the command line, where others could read them:
MONGODB_URI is the administrator's, and every user gets it with its own login in place of his. Where the chart is to make
backups, three more say where each part of them goes.
"""

import argparse
import base64
import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from deploy.helm.facts import house
from deploy.local.environment import OtherMongo
from deploy.local.keys import make_keys, operator_token
from deploy.local.principals import Credentials, keep_credentials
from deploy.local.tls import write_private

_NEEDED = {
    "MONGODB_URI": "the administrator's address: mongodb://user:password@host,…/?replicaSet=…&tls=true",
    "VAULT_URL": "the object store: s3://bucket/path, gs://… or az://…",
    "SMTP_URL": "the mail server: smtps://user:password@host or smtp+starttls://…",
}
_BACKUPS = {part: f"BACKUP_{part.upper()}_URL" for part in ("data", "keys", "packages")}


class Missing(Exception):
    """What must be in the environment and is not."""


def secrets(
    folder: Path, env: Mapping[str, str], *, prefix: str = "placet", with_kafka: bool = False
) -> dict[str, dict[str, str]]:
    """Every Secret by name, with its keys and their texts. `with_kafka`: the users are not Strimzi's. Raises `Missing`."""
    missing = [f"{name} ({about})" for name, about in _NEEDED.items() if not env.get(name)]
    if missing:
        raise Missing("; ".join(missing))
    facts = house()
    make_keys(folder / "keys")
    credentials = keep_credentials(folder / "credentials.json", facts["databaseUsers"])
    database = OtherMongo(env["MONGODB_URI"])
    made = {
        f"{user}-mongodb": {"uri": database.uri(user, credentials.mongodb[user])} for user in facts["databaseUsers"]
    }
    made |= {name: {file: (folder / "keys" / file).read_text()} for name, file in facts["keySecrets"]}
    made |= _backups(env)
    made |= {
        "mongodb-admin": {"uri": env["MONGODB_URI"]},
        "vault": {"url": env["VAULT_URL"]},
        "smtp": {"url": env["SMTP_URL"]},
    }
    if with_kafka:
        made |= _kafka(credentials)
    return {f"{prefix}-{name}": keys for name, keys in made.items()}


def _backups(env: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Where each part of a backup goes: all three, or none. Raises `Missing`."""
    told = {part: env[name] for part, name in _BACKUPS.items() if env.get(name)}
    missing = [name for part, name in _BACKUPS.items() if part not in told]
    if told and missing:
        raise Missing(f"{', '.join(missing)}: a backup has three parts, each in a place of its own")
    places = {part: url.rstrip("/") + "/" for part, url in told.items()}
    if told and (places["data"].startswith(places["keys"]) or places["keys"].startswith(places["data"])):
        raise Missing(
            f"{_BACKUPS['keys']}: another place than the data's, for with the keys beside them the erased can be read"
        )
    return {f"backup-{part}": {"url": url} for part, url in told.items()}


def _kafka(credentials: Credentials) -> dict[str, dict[str, str]]:
    return {f"{user}-kafka": {"password": password} for user, password in credentials.kafka.items()}


def public_values(folder: Path) -> dict[str, Any]:
    """What Helm is told: the public keys, and the digest of the first operator's token."""
    token = operator_token(folder / "keys")
    return {
        "keys": {"public": {file: (folder / "keys" / file).read_text() for file in house()["publicKeys"]}},
        "firstOperator": {"tokenSha256": hashlib.sha256(token.encode()).hexdigest()},
    }


def manifest(name: str, keys: Mapping[str, str], namespace: str) -> dict[str, Any]:
    """One Secret, as `kubectl apply` takes it."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/part-of": "placet"}},
        "type": "Opaque",
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in keys.items()},
    }


def main(arguments: list[str], env: Mapping[str, str] = os.environ) -> int:
    """Write the files, and say where the first operator's token lies."""
    parser = argparse.ArgumentParser(prog="python -m deploy.helm.secrets", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--namespace", default="placet")
    parser.add_argument("--prefix", default="placet", help="the chart's secrets.prefix, or the release's name")
    parser.add_argument(
        "--with-kafka", action="store_true", help="also Kafka's passwords, where Strimzi makes no users"
    )
    given = parser.parse_args(arguments)
    folder: Path = given.folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        made = secrets(folder, env, prefix=given.prefix, with_kafka=given.with_kafka)
    except Missing as why:
        print(f"missing in the environment: {why}", file=sys.stderr)
        return 1
    documents = [manifest(name, keys, given.namespace) for name, keys in made.items()]
    write_private(folder / "secrets.yaml", yaml.safe_dump_all(documents, sort_keys=False).encode())
    write_private(folder / "values.yaml", yaml.safe_dump(public_values(folder), sort_keys=False).encode())
    print(
        f"{len(made)} Secrets are in {folder / 'secrets.yaml'}; the public keys for Helm in {folder / 'values.yaml'}."
    )
    print(f"The first operator signs in with the token in {folder / 'keys' / 'operator.token'}. Keep this folder safe.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
