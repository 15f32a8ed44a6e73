"""How identity's state lies in its database, and every question that is asked of it. Every query names its owner."""

from collections.abc import Sequence

from contracts.types import OrganizationId, OrganizationKind, PersonId, RightsHolder
from services.chassis.store.shelf import Collection, Index, Shelf
from services.chassis.store.work import Store
from services.identity.domain import Authenticator, Birthdays, Client, Import, Organization, Person, Token

PEOPLE = Shelf(
    Person,
    Collection(
        "people",
        indexes=(
            Index((("school_ids", 1), ("_id", 1))),
            Index((("school_ids", 1), ("birthday", 1))),
            Index((("email_index", 1), ("_id", 1))),
        ),
    ),
    key="person_id",
)
ORGANIZATIONS = Shelf(
    Organization,
    Collection("organizations", indexes=(Index((("kind", 1), ("name", 1), ("_id", 1))), Index((("source", 1),)))),
    key="organization_id",
)
BIRTHDAYS = Shelf(Birthdays, Collection("birthdays"), key="school_id")
EXPIRED_KEPT = 30 * 86_400
"""Seconds. So long it can be told that a token has expired and was not forged."""
TOKENS = Shelf(
    Token,
    Collection(
        "tokens",
        indexes=(Index((("person_id", 1),)), Index((("expires_at", 1),), expire_seconds=EXPIRED_KEPT)),
    ),
    key="digest",
)
AUTHENTICATORS = Shelf(Authenticator, Collection("credentials"), key="person_id")
CLIENTS = Shelf(Client, Collection("clients", indexes=(Index((("organization_id", 1),)),)), key="client_id")
IMPORTS = Shelf(Import, Collection("imports", indexes=(Index((("school_ids", 1), ("at", -1))),)), key="import_id")
SHELVES = (PEOPLE, ORGANIZATIONS, BIRTHDAYS, TOKENS, AUTHENTICATORS, CLIENTS, IMPORTS)
COLLECTIONS = tuple(shelf.collection for shelf in SHELVES)

PAGE = 50
"""Rows of a list at the most. More is asked for by page."""
_LOOKUP = 1_000
"""Ids in one query."""


class Questions:
    """What pages, APIs and chores ask. A list of people always names the school it is of."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def person(self, person_id: PersonId) -> Person | None:
        """By id alone: the caller decides whether the asker may see them."""
        return next(iter(await self._store.find(PEOPLE, {"_id": person_id}, limit=1)), None)

    async def people(self, person_ids: Sequence[PersonId]) -> dict[PersonId, Person]:
        """Those of these people who exist."""
        found: dict[PersonId, Person] = {}
        for start in range(0, len(person_ids), _LOOKUP):
            some = list(person_ids[start : start + _LOOKUP])
            found |= {
                one.person_id: one for one in await self._store.find(PEOPLE, {"_id": {"$in": some}}, limit=_LOOKUP)
            }
        return found

    async def people_of(self, school_id: OrganizationId, *, page: int = 0) -> list[Person]:
        """One page, and one person more when there is another page."""
        where = {"school_ids": school_id}
        return await self._store.find(PEOPLE, where, sort=(("_id", 1),), limit=PAGE + 1, after=page * PAGE)

    async def people_with_email(self, school_id: OrganizationId, email_index: str) -> list[Person]:
        where = {"email_index": email_index, "school_ids": school_id}
        return await self._store.find(PEOPLE, where, sort=(("_id", 1),), limit=PAGE)

    async def count_people(self, source: str, school_ids: Sequence[OrganizationId]) -> int:
        return await self._store.count(PEOPLE, {"source": source, "school_ids": {"$in": list(school_ids)}})

    async def come_of_age(self, school_id: OrganizationId, birthdays: Sequence[str], limit: int) -> list[Person]:
        """Students of the school with one of these birthdays, whose guardians still hold the rights."""
        where = {
            "school_ids": school_id,
            "birthday": {"$in": list(birthdays)},
            "rights_holder": str(RightsHolder.GUARDIAN),
        }
        return await self._store.find(PEOPLE, where, limit=limit)

    async def organization(self, organization_id: OrganizationId) -> Organization | None:
        return next(iter(await self._store.find(ORGANIZATIONS, {"_id": organization_id}, limit=1)), None)

    async def organizations(self, ids: Sequence[OrganizationId]) -> dict[OrganizationId, Organization]:
        found = await self._store.find(ORGANIZATIONS, {"_id": {"$in": list(ids)}}, limit=len(ids) or 1)
        return {one.organization_id: one for one in found}

    async def organizations_of(
        self, kinds: Sequence[OrganizationKind] = tuple(OrganizationKind), *, page: int = 0
    ) -> list[Organization]:
        where = {"kind": {"$in": [str(kind) for kind in kinds]}}
        return await self._store.find(
            ORGANIZATIONS, where, sort=(("name", 1), ("_id", 1)), limit=PAGE + 1, after=page * PAGE
        )

    async def schools_of(self, source: str) -> list[Organization]:
        """The schools whose rosters come from one system."""
        return await self._store.find(ORGANIZATIONS, {"source": source}, limit=_LOOKUP)

    async def schools(self, *, after: int = 0) -> list[Organization]:
        where = {"kind": str(OrganizationKind.SCHOOL)}
        return await self._store.find(ORGANIZATIONS, where, sort=(("_id", 1),), limit=_LOOKUP, after=after)

    async def birthdays(self, school_id: OrganizationId) -> Birthdays | None:
        return next(iter(await self._store.find(BIRTHDAYS, {"_id": school_id}, limit=1)), None)

    async def token(self, digest: str) -> Token | None:
        return next(iter(await self._store.find(TOKENS, {"_id": digest}, limit=1)), None)

    async def authenticator(self, person_id: PersonId) -> Authenticator | None:
        return next(iter(await self._store.find(AUTHENTICATORS, {"_id": person_id}, limit=1)), None)

    async def client(self, client_id: str) -> Client | None:
        return next(iter(await self._store.find(CLIENTS, {"_id": client_id}, limit=1)), None)

    async def clients_of(self, organization_id: OrganizationId) -> list[Client]:
        return await self._store.find(CLIENTS, {"organization_id": organization_id}, limit=PAGE)

    async def imported(self, import_id: str) -> Import | None:
        return next(iter(await self._store.find(IMPORTS, {"_id": import_id}, limit=1)), None)

    async def imports_of(self, school_id: OrganizationId) -> list[Import]:
        return await self._store.find(IMPORTS, {"school_ids": school_id}, sort=(("at", -1),), limit=PAGE)
