"""Identity's decisions. Pure: no clock, no ids, no keys, no I/O, no async."""

from services.identity.domain.access import (
    ENDED,
    LOCKED_OUT,
    NO_AUTHENTICATOR,
    NO_SIGN_IN,
    WRONG_CODE,
    CreateClient,
    Enrol,
    IssueToken,
    SignIn,
    TryCode,
    confirm,
    create_client,
    enrol,
    issue_token,
    remove_authenticator,
    revoke_client,
    revoke_tokens,
    sign_in,
    still_active,
    try_code,
)
from services.identity.domain.birthday import days_after, eligible_on
from services.identity.domain.organizations import (
    NO_SUCH_ORGANIZATION,
    RecordOrganization,
    SetStanding,
    record_organization,
    set_standing,
)
from services.identity.domain.people import (
    CHANGED_MEANWHILE,
    NOT_YOURS,
    UNCHANGED,
    UNKNOWN,
    Birth,
    EstablishOperator,
    Profile,
    RecordPerson,
    TransferRights,
    establish_operator,
    record_person,
    recorded,
    transfer_rights,
)
from services.identity.domain.reach import may_import, may_let_in, may_see
from services.identity.domain.readers import (
    NAMED_OTHERWISE,
    NO_SUCH_READER,
    EndReader,
    InviteReader,
    end_reader,
    invite_reader,
    may_have_readers,
    reads_for,
)
from services.identity.domain.state import (
    Authenticator,
    Birthdays,
    Client,
    Import,
    ImportCounts,
    ImportProblem,
    Organization,
    Person,
    Severity,
    Token,
)

__all__ = [
    "CHANGED_MEANWHILE", "ENDED", "LOCKED_OUT", "NAMED_OTHERWISE", "NOT_YOURS", "NO_AUTHENTICATOR", "NO_SIGN_IN", "NO_SUCH_ORGANIZATION",
    "NO_SUCH_READER", "UNCHANGED", "UNKNOWN", "WRONG_CODE", "Authenticator", "Birth", "Birthdays", "Client", "CreateClient",
    "EndReader", "Enrol", "EstablishOperator", "Import", "ImportCounts", "ImportProblem", "InviteReader", "IssueToken",
    "Organization", "Person", "Profile", "RecordOrganization", "RecordPerson", "SetStanding", "Severity", "SignIn", "Token",
    "TransferRights", "TryCode", "confirm", "create_client", "days_after", "eligible_on", "end_reader", "enrol",
    "establish_operator", "invite_reader", "issue_token", "may_have_readers", "may_import", "may_let_in", "may_see",
    "reads_for", "record_organization", "record_person", "recorded", "remove_authenticator", "revoke_client",
    "revoke_tokens", "set_standing", "sign_in", "still_active", "transfer_rights", "try_code",
]  # fmt: skip
