"""The one place that draws ids: prefixed, sortable by time, 80 random bits; secrets have 256."""

import hashlib
import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_PLACES = tuple(range(120, -1, -10))
"""26 letters of five bits, spelt two at a time: a batch of 500 messages draws some 1 500 ids."""


def new(prefix: str) -> str:
    """A fresh id, `req_01k…`: 48 bits of milliseconds and 80 random bits in Crockford's base 32."""
    return f"{prefix}_{_spell(time.time_ns() // 1_000_000 << 80 | secrets.randbits(80))}"


def derived(prefix: str, *parts: object) -> str:
    """The same parts, the same id: for what must come out equal when a transaction runs again."""
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    return f"{prefix}_{_spell(int.from_bytes(digest[:16], 'big'))}"


def secret() -> str:
    """256 random bits, for tokens that open something."""
    return secrets.token_urlsafe(32)


def _spell(number: int) -> str:
    return "".join([_PAIRS[number >> place & 1023] for place in _PLACES])
