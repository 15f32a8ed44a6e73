"""The one room that knows the MongoDB driver. PyMongo's asynchronous API can take motor's place in this file alone.

Invariants: every write happens in a transaction with `w: majority, j: true` and a snapshot read; collections are handed
out already bound to the session, so a write outside the transaction can't be written; whatever means "the database
can't answer now" surfaces as `NotNow`.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC
from typing import Any, TypeVar, cast

from bson.codec_options import CodecOptions
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import InsertOne, ReadPreference, ReplaceOne
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from services.chassis import clock
from services.chassis.observe import telemetry
from services.chassis.store.shelf import INBOX, MECHANISM, OUTBOX, Collection, Document, Index, Shelf
from services.chassis.store.work import NotNow, Unit

S = TypeVar("S")
T = TypeVar("T")

TIMEOUT_MS = 10_000
"""What one transaction with all its retries may take. Half of the time a worker has to drain."""
UNTRUSTED = "certificate verify failed"
"""OpenSSL's words in what the driver raises: there is no class or code that says so."""
POOL = 16
"""Connections a process holds at the most: two cores can't use more (measured)."""
_TRIES = 5
SHORTEST, LONGEST = 0.005, 0.5
"""Seconds between two runs of one transaction that met another's write; half as long again each time."""
_DUPLICATE = 11_000
_NO_LOGIN = (11, 18)
"""MongoDB's UserNotFound and AuthenticationFailed."""
_MAJORITY = WriteConcern("majority", j=True)
_CODEC: CodecOptions[Document] = CodecOptions(tz_aware=True, tzinfo=UTC)

BEHIND = telemetry.gauge(
    "placet_mongodb_majority_lag_seconds", "How far most members of the replica set are behind its primary."
)


class Untrusted(NotNow):
    """A database answers, but what it shows is not what we trust: TLS fails, and waiting alone does not mend it."""


class NoLogin(NotNow):
    """A database answers, but knows neither our user nor its password. At a start that is a fault of what we were told."""


def connect(uri: str) -> Any:
    """A client. It connects on first use, so a database that is down at start ends no process."""
    return AsyncIOMotorClient(
        uri,
        tz_aware=True,
        tzinfo=UTC,
        w="majority",
        journal=True,
        readConcernLevel="majority",
        maxPoolSize=POOL,
        serverSelectionTimeoutMS=5_000,
        timeoutMS=TIMEOUT_MS,
        uuidRepresentation="standard",
    )


@contextmanager
def not_now() -> Any:
    """Inside, every error that only time can mend becomes `NotNow`."""
    try:
        yield
    except (ConnectionFailure, NetworkTimeout, ExecutionTimeout, WTimeoutError) as why:
        if UNTRUSTED in str(why):
            raise Untrusted(
                "the database's certificate is not signed by an authority that this process trusts"
            ) from why
        raise NotNow("the database can't be reached") from why
    except PyMongoError as why:
        if why.timeout or why.has_error_label("TransientTransactionError"):
            raise NotNow("the database didn't answer in time") from why
        if isinstance(why, OperationFailure) and why.code in _NO_LOGIN:
            # The password was changed under us: no fault of a message. Whoever changed it starts us again with the new one.
            raise NoLogin("the database refuses our user or its password") from why
        raise


class MongoStore:
    """A service's database as one role's user sees it."""

    def __init__(self, client: Any, name: str) -> None:
        self.client = client
        self.db = client[name]
        self._handles: dict[str, Any] = {}

    def handle(self, name: str) -> Any:
        """The driver's handle of a collection, made once: making one costs as much as a small query's encoding."""
        found = self._handles.get(name)
        if found is None:
            found = self._handles[name] = self.db[name]
        return found

    async def transact(self, body: Callable[[Unit], Awaitable[T]]) -> T:
        patience = _Patience()

        async def bound(session: Any) -> T:
            await patience.before_a_run()
            return await body(_MongoUnit(self.handle, session))

        for left in reversed(range(_TRIES)):
            try:
                with not_now():
                    async with await self.client.start_session() as session:
                        return cast(
                            "T",
                            await session.with_transaction(
                                bound,
                                read_concern=ReadConcern("snapshot"),
                                write_concern=_MAJORITY,
                                read_preference=ReadPreference.PRIMARY,
                            ),
                        )
            except (DuplicateKeyError, BulkWriteError) as why:
                # Two transactions made the same new thing at once: the second run sees the first one's.
                if not left or not _only_duplicates(why):
                    raise
        raise AssertionError("unreachable")  # pragma: no cover - the loop returns or raises

    async def find(
        self,
        shelf: Shelf[S],
        where: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 100,
        after: int = 0,
    ) -> list[S]:
        with not_now():
            cursor = self.handle(shelf.collection.name).find(dict(where), limit=limit, skip=after)
            if sort:
                cursor = cursor.sort(list(sort))
            return [shelf.state_in(document) for document in await cursor.to_list(None)]

    async def count(self, shelf: Shelf[Any], where: Mapping[str, Any]) -> int:
        with not_now():
            return int(await self.handle(shelf.collection.name).count_documents(dict(where)))

    async def check(self) -> None:
        """Raises `NotNow` when the database does not answer as this role's user."""
        with not_now():
            await self.handle(OUTBOX.name).find_one({"_id": "health"}, {"_id": 1})

    async def behind(self) -> dict[tuple[str, ...], float]:
        """For the census: how far most members are behind the primary. `hello` says it, and needs no right."""
        with not_now():
            told = (await self.client.admin.command("hello")).get("lastWrite", {})
        newest, everywhere = told.get("lastWriteDate"), told.get("majorityWriteDate")
        return {(): max(0.0, (newest - everywhere).total_seconds())} if newest and everywhere else {}

    def collection(self, collection: Collection) -> Any:
        """The driver's own handle, for the mechanism's collections (relay, set-asides) that live outside of jobs."""
        return self.handle(collection.name)


class _Patience:
    """What stands between the runs of one transaction.

    The driver runs it again at once whenever it meets what another has written and not committed. A process that dies
    leaves such writes behind until the server gives its transaction up: that is waited for, not asked for in a circle.
    """

    def __init__(self) -> None:
        self._pause = 0.0
        self._until = clock.seconds() + TIMEOUT_MS / 1_000

    async def before_a_run(self) -> None:
        """At once the first time. Raises `NotNow` when all the runs together have taken what they may."""
        if self._pause:
            if clock.seconds() + self._pause > self._until:
                raise NotNow("another transaction holds what this one writes")
            await asyncio.sleep(self._pause * random.uniform(0.5, 1.0))  # noqa: S311 - so that two don't go in step
        self._pause = min(self._pause * 1.5 or SHORTEST, LONGEST)


class _MongoUnit:
    """One run of one transaction: every call carries the session."""

    def __init__(self, handle: Callable[[str], Any], session: Any) -> None:
        self._handle = handle
        self._session = session

    async def load(self, shelf: Shelf[Any], ids: Sequence[str]) -> list[Document]:
        return await self.load_by(shelf, "_id", ids)

    async def load_by(self, shelf: Shelf[Any], field: str, values: Sequence[str]) -> list[Document]:
        cursor = self._handle(shelf.collection.name).find({field: {"$in": list(values)}}, session=self._session)
        return cast("list[Document]", await cursor.to_list(None))

    async def seen(self, message_ids: Sequence[str]) -> set[str]:
        cursor = self._handle(INBOX.name).find({"_id": {"$in": list(message_ids)}}, {"_id": 1}, session=self._session)
        return {document["_id"] for document in await cursor.to_list(None)}

    async def write(
        self, states: Mapping[Shelf[Any], Sequence[Document]], rows: Sequence[Document], seen: Sequence[Document]
    ) -> None:
        for shelf, documents in states.items():
            await self._handle(shelf.collection.name).bulk_write(
                [_change(shelf, document) for document in documents], ordered=False, session=self._session
            )
        if rows:
            await self._handle(OUTBOX.name).insert_many(rows, ordered=False, session=self._session)
        if seen:
            await self._handle(INBOX.name).insert_many(seen, ordered=False, session=self._session)


def _change(shelf: Shelf[Any], document: Document) -> Any:
    if shelf.collection.append_only:
        return InsertOne(document)
    return ReplaceOne({"_id": document["_id"]}, document, upsert=True)


def _only_duplicates(why: OperationFailure) -> bool:
    if isinstance(why, BulkWriteError):
        errors = (why.details or {}).get("writeErrors", [])
        return bool(errors) and all(error.get("code") == _DUPLICATE for error in errors)
    return True


async def prepare(db: Any, collections: Iterable[Collection]) -> None:
    """Make collections and indexes, as the bootstrap user; again and again without harm. A transaction can't make them."""
    there = set(await db.list_collection_names())
    for collection in (*MECHANISM, *collections):
        if collection.name not in there:
            await db.create_collection(collection.name)
        for index in collection.indexes:
            await db[collection.name].create_index(list(index.fields), name=index.name, **_options(index))


def _options(index: Index) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if index.unique:
        options["unique"] = True
    if index.partial is not None:
        options["partialFilterExpression"] = dict(index.partial)
    if index.expire_seconds is not None:
        options["expireAfterSeconds"] = index.expire_seconds
    return options


def database(client: Any, name: str) -> Any:
    return client.get_database(name, codec_options=_CODEC)
