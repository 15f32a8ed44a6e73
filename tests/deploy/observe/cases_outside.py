"""When alerts about the outside world and the ground under the house fire, and when they keep quiet."""

from tests.deploy.observe.cases import Case, Series, of, page, ticket
from tests.deploy.observe.cases_house import READY


def endpoints(state: str) -> str:
    return of("placet_webhook_endpoints", service="delivery", state=state)


def mails(outcome: str) -> str:
    return of("placet_mails_total", service="notify", outcome=outcome)


def waited(le: str) -> str:
    return of("placet_mail_wait_seconds_bucket", service="notify", le=le)


OUTSIDE = [
    Case(
        alert="PlacetWebhooksFail",
        about="four of seven endpoints fail",
        series={endpoints("failing"): "4x40", endpoints("healthy"): "3x40", endpoints("disabled"): "9x40"},
        fires=[page("4 endpoints fail, more than half of all: our own way out is likely closed")],
    ),
    Case(
        alert="PlacetWebhooksFail",
        about="four of thirty-four do: their own affair",
        series={endpoints("failing"): "4x40", endpoints("healthy"): "30x40"},
    ),
    Case(
        alert="PlacetNoticesWait",
        about="six hundred notices wait",
        series={of("placet_webhook_notices_waiting", service="delivery", state="healthy"): "600x40"},
        fires=[ticket("600 notices wait for endpoints that take them")],
    ),
    Case(
        alert="PlacetNoticesWait",
        about="they wait for endpoints that fail",
        series={of("placet_webhook_notices_waiting", service="delivery", state="failing"): "600x40"},
    ),
    Case(
        alert="PlacetEndpointDisabled",
        about="one more than six hours ago",
        series={endpoints("disabled"): "1x400 2x60"},
        at="410m",
        fires=[ticket("a recipient's endpoint was disabled (2 are)")],
    ),
    Case(
        alert="PlacetEndpointDisabled",
        about="two for days, and then one",
        series={endpoints("disabled"): "2x400 1x60"},
        at="410m",
    ),
    Case(
        alert="PlacetMailFails",
        about="the mail server takes nothing",
        series={mails("later"): "0+2x60", mails("sent"): "10x60"},
        at="45m",
        fires=[page("the mail server takes 60 mails of the last half hour not")],
    ),
    Case(
        alert="PlacetMailFails",
        about="a third is put off (greylisting)",
        series={mails("later"): "0+2x60", mails("sent"): "0+4x60"},
        at="45m",
    ),
    Case(
        alert="PlacetMailSlow",
        about="most wait for more than five minutes",
        series={waited("300.0"): "0x60", waited("3600.0"): "0+5x60", waited("+Inf"): "0+5x60"},
        at="50m",
        fires=[ticket("a tenth of the mails waits longer than 54m 30s")],
    ),
    Case(
        alert="PlacetMailSlow",
        about="one in twenty does",
        series={waited("300.0"): "0+19x60", waited("3600.0"): "0+20x60", waited("+Inf"): "0+20x60"},
        at="50m",
    ),
    Case(
        alert="PlacetMailRefused",
        about="one mail in six is refused",
        series={mails("abandoned"): "0+1x420", mails("sent"): "0+5x420"},
        at="400m",
        fires=[ticket("360 mails of the last six hours were given up")],
    ),
    Case(
        alert="PlacetMailRefused",
        about="one in twenty-one: people move",
        series={mails("abandoned"): "0+1x420", mails("sent"): "0+20x420"},
        at="400m",
    ),
]


def ends(days: int) -> Series:
    return {of("placet_certificate_expires_timestamp_seconds", service="consent", kind="kafka"): f"{days * 86_400}x40"}


def drawn(day: int) -> Series:
    said = of("placet_key_made_timestamp_seconds", service="consent", key="consent.private.jwks.json")
    return {said: f"{day * 86_400}x90"}


BACKUP = 'kube_cronjob_status_last_successful_time{namespace="%s",cronjob="%s"}'
MADE = 'kube_cronjob_created{namespace="%s",cronjob="%s"}'
UP = of("placet_ready", **READY)
LATE = "%s last succeeded more than a day and a half ago"

GROUND = [
    Case(
        alert="PlacetMongodbBehind",
        about="most members are 40 s behind",
        series={of("placet_mongodb_majority_lag_seconds", service="consent"): "40x40"},
        fires=[page("most members of MongoDB are 40s behind the primary")],
    ),
    Case(
        alert="PlacetMongodbBehind",
        about="a quiet house writes every ten seconds",
        series={of("placet_mongodb_majority_lag_seconds", service="consent"): "10x40"},
    ),
    Case(
        alert="PlacetCertificateEnds",
        about="in two days",
        series=ends(2),
        fires=[
            page("the certificate for kafka ends in 1d 23h 30m 0s", kind="kafka"),
            ticket("the certificate for kafka ends in 1d 23h 30m 0s", kind="kafka"),
        ],
    ),
    Case(
        alert="PlacetCertificateEnds",
        about="in ten days",
        series=ends(10),
        fires=[ticket("the certificate for kafka ends in 9d 23h 30m 0s", kind="kafka")],
    ),
    Case(alert="PlacetCertificateEnds", about="in thirty days", series=ends(30)),
    Case(
        alert="PlacetKeyOld",
        about="drawn more than 400 days ago",
        series=drawn(1),
        at="415d",
        every="5d",
        fires=[
            ticket("consent.private.jwks.json was drawn 414d 0h 0m 0s ago", key="consent.private.jwks.json"),
        ],
    ),
    Case(alert="PlacetKeyOld", about="drawn anew in the meantime", series=drawn(300), at="415d", every="5d"),
    Case(
        alert="PlacetBackupOld",
        about="the last success was forty hours ago, another namespace's just now",
        series={
            BACKUP % ("placet", "mongodb-backup"): "0x300",
            BACKUP % ("else", "etcd-backup"): "144000x300",
            UP: "1x300",
        },
        at="40h",
        every="10m",
        fires=[page(LATE % "mongodb-backup", cronjob="mongodb-backup")],
    ),
    Case(
        alert="PlacetBackupOld",
        about="keys are taken each hour, and data no more",
        series={
            BACKUP % ("placet", "placet-backup-data"): "0x300",
            BACKUP % ("placet", "placet-backup-keys"): "0+3600x300",
            UP: "1x300",
        },
        at="40h",
        every="10m",
        fires=[page(LATE % "placet-backup-data", cronjob="placet-backup-data")],
    ),
    Case(
        alert="PlacetBackupOld",
        about="it was made two days ago and never succeeded",
        series={MADE % ("placet", "placet-backup-packages"): "0x300", UP: "1x300"},
        at="40h",
        every="10m",
        fires=[page(LATE % "placet-backup-packages", cronjob="placet-backup-packages")],
    ),
    Case(
        alert="PlacetBackupOld",
        about="there is none that could",
        series={BACKUP % ("else", "etcd-backup"): "0x300", UP: "1x300"},
        at="2h",
        every="10m",
        fires=[page("there is no backup")],
    ),
    Case(
        alert="PlacetBackupOld",
        about="it succeeded a day after the first, and was made long before",
        series={
            BACKUP % ("placet", "mongodb-backup"): "0x143 86400x200",
            MADE % ("placet", "mongodb-backup"): "0x300",
            UP: "1x300",
        },
        at="40h",
        every="10m",
    ),
    Case(
        alert="PlacetKeyBackupOld",
        about="the third hour went by",
        series={
            BACKUP % ("placet", "placet-backup-keys"): "0x60",
            BACKUP % ("placet", "placet-backup-data"): "0x60",
            UP: "1x60",
        },
        at="200m",
        every="5m",
        fires=[
            page(
                "the last backup of persons' keys by placet-backup-keys was 3h 20m 0s ago", cronjob="placet-backup-keys"
            ),
        ],
    ),
    Case(
        alert="PlacetKeyBackupOld",
        about="two went by",
        series={BACKUP % ("placet", "placet-backup-keys"): "0x60", UP: "1x60"},
        at="150m",
        every="5m",
    ),
]
