"""Every alert. Each is about something that somebody can do something about, and has its page in deploy/runbooks.

Numbers that several processes tell of one thing are asked for by `max by (namespace, service)`, those of parts (lag) by
`sum`. `namespace` is what Prometheus's operator writes on everything that it finds by a ServiceMonitor, so that two
houses on one cluster are told apart; without it the same questions speak of the only one.
"""

from datetime import timedelta

from contracts.topics import SERVICES
from deploy.cli.checks import MAX_LAG, MAX_WAIT
from deploy.observe.objectives import OBJECTIVES
from deploy.observe.rules import Alert, Group, Record, Severity
from services.delivery.domain import OLDEST_WATERMARK

PROCESSES = len(SERVICES) * 3
"""Each service as api, worker and relay."""
BACKUP_EVERY = timedelta(days=1)
KEYS_WITHIN = timedelta(hours=3)
"""Keys are taken each hour; the third that fails is no accident. Who was erased since the last would be readable again."""
CERTIFICATE_LEFT: tuple[tuple[Severity, timedelta], ...] = (("page", timedelta(days=3)), ("ticket", timedelta(days=21)))
KEY_FOR = timedelta(days=400)
"""A signing key is drawn anew each year; a month more is for whoever is on holiday (NIST SP 800-57 part 1, §5.3.6: 1–3 years)."""


def _seconds(of: timedelta) -> str:
    return f"{of.total_seconds():.0f}"


REVOCATION = Group(
    "placet.revocation",
    [
        Alert(
            name="PlacetConsentUnread",
            severity="page",
            expr="max by (namespace) (placet_unread_consent_records) > 0",
            lasting="0m",
            summary="delivery can't read {{ $value }} records of consent's",
            description=(
                "Each may be a revocation. Nothing of the requests that they are about is disclosed until they are replayed or "
                "dismissed; nothing at all when nobody can tell whose they are. Recipients are told to try again in a minute."
            ),
        ),
        Alert(
            name="PlacetWatermarkOld",
            severity="page",
            expr=f"max by (namespace) (placet_watermark_age_seconds) > {_seconds(OLDEST_WATERMARK)}",
            lasting="1m",
            summary="delivery's knowledge of revocations is {{ $value | humanizeDuration }} old: nothing is disclosed",
            description=(
                "No recipient can open or fetch a transcript: delivery refuses while it can't rule out a revocation that it "
                "has not heard of. Look at consent's worker and relay, at Kafka, at delivery's worker, and at the clocks."
            ),
        ),
    ],
)

PATH = Group(
    "placet.path",
    [
        Alert(
            name="PlacetOutboxOld",
            severity="page",
            expr=f"max by (namespace, service) (placet_outbox_oldest_row_seconds) > {_seconds(MAX_WAIT)}",
            lasting="2m",
            summary="what {{ $labels.service }} has decided waits {{ $value | humanizeDuration }} for Kafka",
            description=(
                "Approvals, revocations or releases are committed and safe, and go nowhere. With consent's the watermark ages "
                "too, and then nothing is disclosed."
            ),
        ),
        Alert(
            name="PlacetOutboxRefused",
            severity="ticket",
            expr="sum by (namespace, service, topic, reason) (increase(placet_outbox_refused_total[15m])) > 0",
            lasting="15m",
            summary="Kafka refuses rows of {{ $labels.service }} for {{ $labels.topic }}: {{ $labels.reason }}",
            description="The relay tries again; rows behind a refused one of the same key wait. Nothing is lost.",
        ),
        Alert(
            name="PlacetRelayLeaderless",
            severity="page",
            expr="max by (namespace, service) (placet_relay_leads) < 1",
            lasting="2m",
            summary="no relay of {{ $labels.service }} holds its lease",
            description="What this service decides reaches nobody until one does. Nothing is lost.",
        ),
        Alert(
            name="PlacetConsumerLag",
            severity="ticket",
            expr=f"sum by (namespace, service, topic) (placet_consumer_lag_records) > {MAX_LAG}",
            lasting="15m",
            summary="{{ $labels.service }} is {{ $value }} records behind on {{ $labels.topic }}",
            description="What people did reaches this service late. A season's bulk approval may do this for some minutes.",
        ),
        Alert(
            name="PlacetRecordsSetAside",
            severity="ticket",
            expr='sum by (namespace, service, kind) (max by (namespace, service, kind, state) (placet_set_aside_records{state="waiting"})) > 0',
            lasting="10m",
            summary="{{ $value }} records lie aside at {{ $labels.service }} ({{ $labels.kind }})",
            description=(
                "unreadable: look at who wrote it. unwanted: read and not believed, perhaps a forgery. failed: our own code "
                "raised. What the record was about has not happened at this service."
            ),
        ),
        Alert(
            name="PlacetActsFail",
            severity="ticket",
            expr=(
                'sum by (namespace, service, operation) (increase(placet_duty_acts_total{outcome="failed"}[30m])) >= 10\n'
                "and\n"
                'sum by (namespace, service, operation) (increase(placet_duty_acts_total{outcome="failed"}[30m]))\n'
                "/ sum by (namespace, service, operation) (increase(placet_duty_acts_total[30m])) > 0.5"
            ),
            lasting="10m",
            summary="more than half of {{ $labels.operation }} fails at {{ $labels.service }}",
            description=(
                "records.prepare: no package can be made, so nothing new can be approved. notify.send: no mail leaves. "
                "delivery.tell: recipients are not told, and find what is theirs when they look."
            ),
        ),
    ],
)

PROCESS = Group(
    "placet.processes",
    [
        Alert(
            name="PlacetNobodyReady",
            severity="page",
            expr="max by (namespace, service, role, check) (placet_ready) == 0",
            lasting="3m",
            summary="no {{ $labels.role }} of {{ $labels.service }} is ready: {{ $labels.check }}",
            description="Every copy says that it can't work, and what it waits for. An api that is not ready is a page that does not open.",
        ),
        Alert(
            name="PlacetNotReady",
            severity="ticket",
            expr=(
                "min by (namespace, service, role, check) (placet_ready) == 0\n"
                "and\n"
                "max by (namespace, service, role, check) (placet_ready) == 1"
            ),
            lasting="15m",
            summary="a copy of {{ $labels.service }}'s {{ $labels.role }} is not ready: {{ $labels.check }}",
            description="Others do its work, and nobody notices yet. One more that goes may be felt.",
        ),
        Alert(
            name="PlacetProcessMissing",
            severity="page",
            expr=(
                f"count by (namespace) (count by (namespace, service, role) (placet_ready)) < {PROCESSES}\n"
                "or\n"
                "absent(placet_ready) - 1"
            ),
            lasting="5m",
            summary=f"{{{{ $value }}}} of {PROCESSES} processes tell how they are",
            description=(
                "A service is missing in a role, or Prometheus does not reach it (network policy, ServiceMonitor). "
                "While this is so, the other alerts are silent about it."
            ),
        ),
    ],
)

OUTSIDE = Group(
    "placet.outside",
    [
        Alert(
            name="PlacetWebhooksFail",
            severity="page",
            expr=(
                'max by (namespace) (placet_webhook_endpoints{state="failing"}) >= 3\n'
                "and\n"
                'max by (namespace) (placet_webhook_endpoints{state="failing"})\n'
                '/ sum by (namespace) (max by (namespace, state) (placet_webhook_endpoints{state=~"failing|healthy"})) > 0.5'
            ),
            lasting="15m",
            summary="{{ $value }} endpoints fail, more than half of all: our own way out is likely closed",
            description=(
                "Recipients are not told that a transcript is there. They can still fetch it, and are told later: attempts go on "
                "for three days."
            ),
        ),
        Alert(
            name="PlacetNoticesWait",
            severity="ticket",
            expr='max by (namespace) (placet_webhook_notices_waiting{state="healthy"}) > 500',
            lasting="15m",
            summary="{{ $value }} notices wait for endpoints that take them",
            description="delivery's workers don't keep up, or don't run. Recipients hear late of what is theirs.",
        ),
        Alert(
            name="PlacetEndpointDisabled",
            severity="ticket",
            expr=(
                'max by (namespace) (placet_webhook_endpoints{state="disabled"})\n'
                '> max by (namespace) (placet_webhook_endpoints{state="disabled"} offset 6h)'
            ),
            lasting="5m",
            summary="a recipient's endpoint was disabled ({{ $value }} are)",
            description=(
                "It answered 410, or failed for five days. Its recipient is told nothing more until somebody enables it; "
                "what is released lies ready all the same."
            ),
        ),
        Alert(
            name="PlacetMailFails",
            severity="page",
            expr=(
                'sum by (namespace) (increase(placet_mails_total{outcome="later"}[30m])) >= 10\n'
                "and\n"
                'sum by (namespace) (increase(placet_mails_total{outcome="later"}[30m]))\n'
                "/ sum by (namespace) (increase(placet_mails_total[30m])) > 0.5"
            ),
            lasting="10m",
            summary="the mail server takes {{ $value | humanize }} mails of the last half hour not",
            description=(
                "Families are not asked for their approval, and registrars are not told of deadlines. Mails wait and go by "
                "themselves; deadlines run on."
            ),
        ),
        Alert(
            name="PlacetMailSlow",
            severity="ticket",
            expr="histogram_quantile(0.9, sum by (namespace, le) (rate(placet_mail_wait_seconds_bucket[30m]))) > 600",
            lasting="15m",
            summary="a tenth of the mails waits longer than {{ $value | humanizeDuration }}",
            description="The mail server is slow, or was away and what waited goes now.",
        ),
        Alert(
            name="PlacetMailRefused",
            severity="ticket",
            expr=(
                'sum by (namespace) (increase(placet_mails_total{outcome="abandoned"}[6h])) >= 10\n'
                "and\n"
                'sum by (namespace) (increase(placet_mails_total{outcome="abandoned"}[6h]))\n'
                "/ sum by (namespace) (increase(placet_mails_total[6h])) > 0.1"
            ),
            lasting="15m",
            summary="{{ $value | humanize }} mails of the last six hours were given up",
            description="Addresses that don't exist after an import, or a mail server that refuses us for our reputation.",
        ),
    ],
)

GROUND = Group(
    "placet.ground",
    [
        Alert(
            name="PlacetMongodbBehind",
            severity="page",
            expr="max by (namespace) (placet_mongodb_majority_lag_seconds) > 30",
            lasting="5m",
            summary="most members of MongoDB are {{ $value | humanizeDuration }} behind the primary",
            description=(
                "Every write waits for a majority, so everything is slow or stands. A primary that is lost now takes no accepted "
                "act with it, but the others need this long to catch up."
            ),
        ),
        *(
            Alert(
                name="PlacetCertificateEnds",
                severity=severity,
                expr=(
                    "min by (namespace, kind) (placet_certificate_expires_timestamp_seconds > 0) - time() "
                    f"< {_seconds(left)}"
                ),
                lasting="10m",
                summary="the certificate for {{ $labels.kind }} ends in {{ $value | humanizeDuration }}",
                description=(
                    "kafka, mongodb: nothing connects once it has ended, and the whole house stands. seal: documents made after "
                    "it show as wrongly signed."
                ),
            )
            for severity, left in CERTIFICATE_LEFT
        ),
        Alert(
            name="PlacetKeyOld",
            severity="ticket",
            expr=f"time() - max by (namespace, key) (placet_key_made_timestamp_seconds > 0) > {_seconds(KEY_FOR)}",
            lasting="1h",
            summary="{{ $labels.key }} was drawn {{ $value | humanizeDuration }} ago",
            description="Time to draw a new key. What was signed under the old one stays good.",
        ),
    ],
)

# One CronJob that works says nothing of another; one that never succeeded counts from the day that it was made.
_LAST_BACKUP = " or ".join(
    f'max by (namespace, cronjob) ({moment}{{cronjob=~".*backup.*"}})'
    for moment in ("kube_cronjob_status_last_successful_time", "kube_cronjob_created")
)
_OURS = "on (namespace) group by (namespace) (placet_ready)"
BACKUPS = Group(
    "placet.backups",
    [
        Record(name="placet:backup:age_seconds", expr=f"(time() - ({_LAST_BACKUP})) and {_OURS}"),
        Alert(
            name="PlacetKeyBackupOld",
            severity="page",
            expr=f'placet:backup:age_seconds{{cronjob=~".*backup-keys"}} > {_seconds(KEYS_WITHIN)}',
            lasting="10m",
            summary="the last backup of persons' keys by {{ $labels.cronjob }} was {{ $value | humanizeDuration }} ago",
            description=(
                "Nothing is wrong for people today. Were the house restored now, whoever was erased since could be read again, "
                "and whoever came since could be read by nobody."
            ),
        ),
        Alert(
            name="PlacetBackupOld",
            severity="page",
            expr=(
                f"placet:backup:age_seconds > {_seconds(BACKUP_EVERY * 1.5)}\n"
                "or\n"
                f"(group by (namespace) (placet_ready) unless on (namespace) placet:backup:age_seconds)"
            ),
            lasting="1h",
            summary="{{ with $labels.cronjob }}{{ . }} last succeeded more than a day and a half ago{{ else }}there is no backup{{ end }}",
            description=(
                "Nothing is wrong for people today. What is lost in a disaster now is everything since the last backup: sealed "
                "records, consents, and the ledger that the law asks for (34 CFR 99.32)."
            ),
        ),
    ],
)

GROUPS = (*(one.group() for one in OBJECTIVES), REVOCATION, PATH, PROCESS, OUTSIDE, GROUND)
"""What needs nothing but our own metrics."""
EVERYTHING = (*GROUPS, BACKUPS)
