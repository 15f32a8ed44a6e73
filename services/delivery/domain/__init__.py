"""What is delivered, disclosed, told and written in the ledger. Pure: no clock, no ids, no I/O, no async."""

from services.delivery.domain.disclosing import (
    BOUND,
    LONGEST_ANSWER,
    NO_SUCH_DELIVERY,
    NOT_NOW,
    OLDEST_WATERMARK,
    Acknowledge,
    Open,
    Surroundings,
    acknowledge,
    freshness,
    may_disclose,
    may_fetch,
    open_delivery,
)
from services.delivery.domain.ending import Cancel, Expire, cancel, expire
from services.delivery.domain.endpoints import (
    NO_SUCH_ENDPOINT,
    Ping,
    Put,
    Remove,
    Replay,
    Rotate,
    ping,
    put,
    remove,
    replay,
    rotate,
    signing,
)
from services.delivery.domain.following import (
    know_organization,
    know_reader,
    know_student,
    pass_watermark,
    receives_for,
)
from services.delivery.domain.ledger import GENESIS, Break, content, row_hash, verify_chain
from services.delivery.domain.releasing import Receive, mismatch, receive
from services.delivery.domain.state import (
    Chain,
    Delivery,
    Endpoint,
    EndpointState,
    LedgerRow,
    Notice,
    NoticeKind,
    NoticeState,
    Organization,
    Reader,
    Revocation,
    Secret,
    Status,
    Student,
    Watermark,
)
from services.delivery.domain.telling import (
    CATCHING_UP,
    Answer,
    Attempted,
    Claim,
    attempted,
    catch_up,
    caught_up,
    claim,
    notices_for,
    pause_after,
)

__all__ = [
    "BOUND", "CATCHING_UP", "GENESIS", "LONGEST_ANSWER", "NOT_NOW", "NO_SUCH_DELIVERY", "NO_SUCH_ENDPOINT",
    "OLDEST_WATERMARK", "Acknowledge", "Answer", "Attempted", "Break", "Cancel", "Chain", "Claim", "Delivery",
    "Endpoint", "EndpointState", "Expire", "LedgerRow", "Notice", "NoticeKind", "NoticeState", "Open", "Organization",
    "Ping", "Put", "Reader", "Receive", "Remove", "Replay", "Revocation", "Rotate", "Secret", "Status", "Student",
    "Surroundings", "Watermark", "acknowledge", "attempted", "cancel", "catch_up", "caught_up", "claim", "content",
    "expire", "freshness", "know_organization", "know_reader", "know_student", "may_disclose", "may_fetch",
    "mismatch", "notices_for", "open_delivery", "pass_watermark", "pause_after", "ping", "put", "receive",
    "receives_for", "remove", "replay", "rotate", "row_hash", "signing", "verify_chain",
]  # fmt: skip
