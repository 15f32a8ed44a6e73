"""What every event can say of itself."""

from contracts import generate

EVENTS = generate.load_all()


def test_an_event_of_a_request_is_followed_by_it() -> None:
    refused = EVENTS["consent.request.refused.v1"].model_validate(
        generate.sample("consent.request.refused.v1")["value"]
    )
    assert refused.correlation == refused.key


def test_what_belongs_to_no_request_is_followed_by_none() -> None:
    name = "identity.organization.recorded.v1"
    assert EVENTS[name].model_validate(generate.sample(name)["value"]).correlation is None
