"""The sets of values that the chart is checked with: the three profiles, and each flag at least once, alone and together."""

from pathlib import Path

from deploy.helm.generate import DEPLOY, EXAMPLES, PROFILES

OWN = Path(__file__).with_name("values")


def _examples(*names: str) -> tuple[Path, ...]:
    return tuple(EXAMPLES / f"{name}.yaml" for name in names)


def _own(name: str) -> Path:
    return OWN / f"{name}.yaml"


_MANAGED = _examples("house", "managed")

SETS: dict[str, tuple[Path, ...]] = {
    **{name: (DEPLOY / "helm" / "profiles" / f"{name}.yaml", *_examples(*PROFILES[name])) for name in PROFILES},
    "percona without operators": _examples("house", "strimzi", "percona"),
    "open network": (*_MANAGED, _own("open-network")),
    "a tag on a test cluster": (*_MANAGED, _own("tag")),
    "key service": (*_MANAGED, _own("key-service")),
    "secrets from a store": (*_MANAGED, _own("store")),
    "gateway and ingress": (*_MANAGED, _own("gateway")),
    "a trial that mails nobody": (*_MANAGED, _own("trial")),
    "own names": (*_MANAGED, _own("own-names")),
    "certain nodes": (*_examples("house", "strimzi", "mongodb-community"), _own("nodes")),
    "public keys": (*_MANAGED, _own("public-keys")),
    "no jobs, no door": (*_MANAGED, _own("no-jobs")),
    "more ports, other copies": (*_examples("house", "strimzi", "mongodb-community"), _own("ports")),
}
"""Files of values by what they are about."""

EVERYTHING = (
    DEPLOY / "helm" / "profiles" / "high-availability.yaml",
    *_examples("house", "strimzi", "percona", "operators"),
    _own("everything"),
)
"""All flags at once: what mutants bend."""
