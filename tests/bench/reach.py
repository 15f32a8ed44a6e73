"""How the bench's own processes reach broker and database: under a principal and topics of their own, TLS and logins on."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from contracts.topics import Topic
from services.chassis.kafka.access import KafkaAccess

USER = "bench"
FLOOR_HOPS = 5
FLOOR_TOPICS = tuple(f"bench.floor-{number}" for number in range(FLOOR_HOPS))
BARE_TOPICS = ("bench.bare-0", "bench.bare-1", "bench.backlog")
GROUPS = (*(f"bench-floor-{number}" for number in range(1, FLOOR_HOPS + 1)), "bench-catch-up")
BARE_SERVICES = ("benchfirst", "benchsecond", "benchthird", "benchbacklog")
DATABASES = ("benchfloor", *BARE_SERVICES)
PARTITIONS = 4
TOPICS = tuple(
    Topic(name=name, owner=USER, key="id", partitions=PARTITIONS, retention_days=1, readers=frozenset(), about="")
    for name in (*FLOOR_TOPICS, *BARE_TOPICS)
)


@dataclass(frozen=True)
class Reach:
    """Addresses and the one login. Written to a file of mode 0600 for the processes that the bench starts."""

    bootstrap: str
    cafile: str
    password: str
    mongo: str

    def access(self) -> KafkaAccess:
        return KafkaAccess(self.bootstrap, USER, self.password, Path(self.cafile))

    def kafka(self) -> dict[str, Any]:
        """Settings that aiokafka's clients share."""
        return self.access().client_settings()

    def write(self, path: Path) -> None:
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: str) -> "Reach":
        return cls(**json.loads(Path(path).read_text()))
