"""Who may write and who may read: the page from which the broker's access lists are made."""

from contracts import generate
from contracts.topics import BY_NAME, SERVICES, TOPICS, heard_by, written_by


def test_every_topic_is_written_by_one_service() -> None:
    written = [topic for service in SERVICES for topic in written_by(service)]
    assert sorted(topic.name for topic in written) == sorted(topic.name for topic in TOPICS) == sorted(BY_NAME)


def test_only_consent_writes_approvals_and_nothing_on_the_release_path_flows_back() -> None:
    assert BY_NAME["consent.requests"].owner == "consent"
    assert {topic.name for topic in heard_by("identity")} == set()
    assert "delivery.deliveries" not in {topic.name for topic in heard_by("delivery")}


def test_each_service_hears_what_its_readers_entry_says() -> None:
    for service in SERVICES:
        assert {topic.name for topic in heard_by(service)} == {
            topic.name for topic in TOPICS if service in topic.readers
        }


def test_every_events_key_is_the_key_of_its_topic_except_the_watermarks() -> None:
    others = {event.type for event in generate.load_all().values() if event.key_field != BY_NAME[event.topic].key}
    assert others == {"consent.watermark.passed.v1"}
