"""What may change in a published shape. Inside a major version only optional fields are added; anything else is a v2.

Works on JSON Schemas as pydantic writes them, so that a reader in another language is protected too.
"""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_BOUNDS = ("pattern", "format", "maxLength", "minLength", "minimum", "maximum")


def breaks(old: Schema, new: Schema) -> list[str]:
    """Every way in which `new` breaks a reader or a writer of `old`, in words with their place. Empty: it fits."""
    return list(_breaks(old, new, old, new, place=""))


def _breaks(old: Schema, new: Schema, old_root: Schema, new_root: Schema, *, place: str) -> Iterator[str]:
    old, new = _resolved(old, old_root), _resolved(new, new_root)
    if old.get("type") != new.get("type"):
        yield f"{place or 'the body'} changes its type from {old.get('type')} to {new.get('type')}"
        return
    yield from _gone(old, new, place)
    for bound in _BOUNDS:
        if new.get(bound) != old.get(bound):
            yield f"{place or 'the body'} changes {bound} from {old.get(bound)} to {new.get(bound)}"
    for name, field in old.get("properties", {}).items():
        if name in new.get("properties", {}):
            there = new["properties"][name]
            yield from _breaks(field, there, old_root, new_root, place=f"{place}.{name}".lstrip("."))
    if "items" in old:
        yield from _breaks(old["items"], new.get("items", {}), old_root, new_root, place=f"{place}[]")
    yield from _choices(old, new, old_root, new_root, place=place)


def _gone(old: Schema, new: Schema, place: str) -> Iterator[str]:
    fields = set(old.get("properties", {}))
    for name in sorted(fields - set(new.get("properties", {}))):
        yield f"{place}.{name} is gone".lstrip(".")
    for name in sorted(set(new.get("required", [])) - set(old.get("required", []))):
        yield f"{place}.{name} is required now".lstrip(".")
    for name in sorted(set(old.get("required", [])) - set(new.get("required", []))):
        yield f"{place}.{name} is no longer always there".lstrip(".")
    for word in sorted(set(map(str, old.get("enum", []))) - set(map(str, new.get("enum", [])))):
        yield f"{place or 'the body'} no longer knows the word {word}"


def _choices(old: Schema, new: Schema, old_root: Schema, new_root: Schema, *, place: str) -> Iterator[str]:
    """`anyOf`, as optional fields are written: each old choice must still be one."""
    for choice in old.get("anyOf", ()):
        if all(list(_breaks(choice, other, old_root, new_root, place=place)) for other in new.get("anyOf", ())):
            yield f"{place} no longer takes what it took: {choice.get('type', choice.get('$ref', 'a choice'))}"


def _resolved(schema: Schema, root: Schema) -> Schema:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Schema = root["$defs"][reference.rsplit("/", 1)[-1]]
    return found
