"""Writes what is made from the classes: JSON Schemas, CATALOGUE.md and the AsyncAPI document.

`python -m contracts.generate` writes them and refuses a breaking change; with `--check` it writes nothing and fails
when something is not fresh.
"""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contracts.compatibility import breaks
from contracts.event import Event, known_types
from contracts.topics import SERVICES, TOPICS, Topic

HERE = Path(__file__).parent
SCHEMAS = HERE / "schemas"
SAMPLES = HERE / "samples"


def load_all() -> dict[str, type[Event]]:
    """Import every contract and answer with all event types by name."""
    for service in SERVICES:
        importlib.import_module(f"contracts.{service}.v1")
    return known_types()


def schema_of(event: type[Event]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of an event's body as a reader sees it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:placet:event:{event.type}",
        **event.model_json_schema(mode="serialization"),
    }


def documents() -> dict[Path, str]:
    """Every generated file and what stands in it."""
    events = load_all()
    files = {SCHEMAS / f"{name}.json": _json(schema_of(event)) for name, event in events.items()}
    files[HERE / "CATALOGUE.md"] = catalogue(events)
    files[HERE / "asyncapi.json"] = _json(asyncapi(events))
    return files


def catalogue(events: dict[str, type[Event]]) -> str:
    """The events in words: for each topic who writes, who reads, and what each event says."""
    return "\n".join(_catalogue(events)) + "\n"


def _catalogue(events: dict[str, type[Event]]) -> Iterator[str]:
    yield "# Catalogue of events"
    yield ""
    yield "Generated from the classes by `python -m contracts.generate`; do not edit. Each type has a JSON Schema under"
    yield "`schemas/` and a golden message under `samples/`. Bodies carry ids, digests and places, never a person's data in clear."
    for topic in TOPICS:
        yield ""
        yield f"## {topic.name}"
        yield ""
        yield topic.about
        yield ""
        yield f"Written by **{topic.owner}**'s relay alone. Read by {_and(sorted(topic.readers)) or 'no service'}. "
        yield f"Key `{topic.key}`, {topic.partitions} partitions, kept {topic.retention_days} days."
        yield ""
        yield "| event | says | fields (optional ones in italics) |"
        yield "|---|---|---|"
        for name, event in events.items():
            if event.topic == topic.name:
                yield f"| `{name}` | {_sentence(event)} | {_fields(event)} |"


def _and(words: list[str]) -> str:
    return ", ".join(words[:-1]) + (" and " if len(words) > 1 else "") + words[-1] if words else ""


def _sentence(event: type[Event]) -> str:
    return " ".join((event.__doc__ or "").split("\n\n")[0].split()).replace("|", "\\|")


def _fields(event: type[Event]) -> str:
    return ", ".join(
        f"`{name}`" if field.is_required() else f"*`{name}`*" for name, field in event.model_fields.items()
    )


def asyncapi(events: dict[str, type[Event]]) -> dict[str, Any]:
    """AsyncAPI 3.0: channels are topics, an operation for each service and topic it writes or reads."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Placet events",
            "version": "1.0.0",
            "description": "CloudEvents 1.0 in Kafka's binary mode: `ce_*` headers, a JSON body, key = aggregate id.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic, events) for topic in TOPICS},
        "operations": dict(_operations()),
        "components": {"messages": {name: _message(event) for name, event in events.items()}},
    }


def _channel(topic: Topic, events: dict[str, type[Event]]) -> dict[str, Any]:
    of_topic = [name for name, event in events.items() if event.topic == topic.name]
    return {
        "address": topic.name,
        "description": topic.about,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in of_topic},
        "bindings": {"kafka": {"topic": topic.name, "partitions": topic.partitions, "bindingVersion": "0.5.0"}},
    }


def _operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for topic in TOPICS:
        channel = {"$ref": f"#/channels/{topic.name}"}
        yield f"{topic.owner}-sends-{topic.name}", {"action": "send", "channel": channel}
        for reader in sorted(topic.readers):
            yield f"{reader}-receives-{topic.name}", {"action": "receive", "channel": channel}


def _message(event: type[Event]) -> dict[str, Any]:
    payload = event.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
    payload = _inlined(payload, payload.pop("$defs", {}))
    return {
        "name": event.type,
        "title": event.__name__,
        "summary": _sentence(event),
        "headers": {
            "type": "object",
            "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_subject", "ce_time"],
            "properties": {
                "ce_specversion": {"const": "1.0"},
                "ce_type": {"const": event.type},
                "ce_id": {"type": "string", "description": "The same id, the same event: drop what you have seen."},
                "ce_source": {"const": f"/{event.type.split('.', 1)[0]}"},
                "ce_subject": {"type": "string", "description": f"The record's key: `{event.key_field}`."},
                "ce_time": {"type": "string", "format": "date-time"},
                "ce_causationid": {"type": "string"},
                "ce_correlationid": {"type": "string"},
                "traceparent": {"type": "string", "description": "W3C Trace Context"},
            },
        },
        "payload": payload,
        "examples": [{"payload": sample(event.type)["value"]}],
    }


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    """A schema with its definitions put in place, so that each message stands alone."""
    if isinstance(node, list):
        return [_inlined(one, definitions) for one in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _inlined(definitions[node["$ref"].rsplit("/", 1)[-1]], definitions)
    return {name: _inlined(one, definitions) for name, one in node.items()}


def sample(name: str) -> dict[str, Any]:
    """The golden message of a type: `key`, `headers` and `value`."""
    found: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text())
    return found


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def breaking() -> list[str]:
    """Every breaking change between the schemas on disk and the classes."""
    found = []
    events = load_all()
    for path in sorted(SCHEMAS.glob("*.json")):
        if path.stem not in events:
            found.append(f"{path.stem} is gone: a published type stays for as long as a group may read it")
            continue
        found += [f"{path.stem}: {why}" for why in breaks(json.loads(path.read_text()), schema_of(events[path.stem]))]
    return found


def stale() -> list[Path]:
    """Files that are not what the classes say."""
    return [path for path, text in documents().items() if not path.exists() or path.read_text() != text]


def main(arguments: list[str]) -> int:
    broken = breaking()
    if broken:
        print("A breaking change: write a v2 beside it instead.", *broken, sep="\n  ")  # noqa: T201 - a command's answer
        return 1
    if "--check" in arguments:
        old = stale()
        if old:
            print("Not fresh; run `make contracts`:", *(path.name for path in old), sep="\n  ")  # noqa: T201
        return 1 if old else 0
    for path, text in documents().items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
