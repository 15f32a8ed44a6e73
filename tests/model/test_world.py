"""The model itself: in quiet weather a request goes all the way, and the book agrees."""

from services.delivery.domain import Status
from tests.model.cast import COLLEGE, MINOR, PARENT
from tests.model.world import World, run


async def released(world: World) -> None:
    request = await world.family.open_request(MINOR, COLLEGE)
    assert request is not None
    await world.flow()
    await world.family.sign(request.request_id, PARENT)
    await world.flow()


def test_a_request_goes_all_the_way_to_its_acknowledgement() -> None:
    world = World()
    run(world, world.found())
    run(world, released(world))
    [delivery] = world.recipients.deliveries()
    assert delivery.status is Status.AVAILABLE
    assert run(world, world.recipients.open_delivery(delivery))
    run(world, world.recipients.fetch(delivery))
    run(world, world.recipients.acknowledge(delivery))
    world.check()
    assert list(world.book.disclosed) == [delivery.request_id]


def test_a_copy_of_a_world_goes_its_own_way() -> None:
    world = World()
    run(world, world.found())
    run(world, released(world))
    other = world.copy()
    [delivery] = other.recipients.deliveries()
    assert run(other, other.recipients.open_delivery(delivery))
    other.check()
    world.check()
    assert other.book.disclosed
    assert not world.book.disclosed
    assert world.recipients.deliveries()[0].status is Status.AVAILABLE
