"""A real mail server on loopback: taken, later, never; down and back; few connections, and none that is dirty."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.notify.gateways import smtp
from services.notify.gateways.smtp import NotTaken, Refused, SmtpServer
from tests.support.mailhouse import MailHouse

pytestmark = pytest.mark.connected

SENDER, ANA = "no-reply@placet.example", "ana@families.test"
MAIL = b"Subject: x\r\n\r\n.a line that begins with a dot\r\n"


@pytest.fixture
async def house() -> AsyncIterator[MailHouse]:
    house = MailHouse()
    await house.start()
    yield house
    await house.stop()


@pytest.fixture
async def server(house: MailHouse) -> AsyncIterator[SmtpServer]:
    server = SmtpServer(f"smtp://127.0.0.1:{house.port}")
    yield server
    await server.close()


async def test_mails_in_a_row_share_one_connection_and_arrive_byte_for_byte(
    house: MailHouse, server: SmtpServer
) -> None:
    for _ in range(5):
        await server.send(SENDER, ANA, MAIL)
    assert house.mails == [MAIL] * 5
    assert house.connections == 1


async def test_many_at_once_take_four_connections_at_the_most(house: MailHouse, server: SmtpServer) -> None:
    house.pause = 0.05
    await asyncio.gather(*(server.send(SENDER, ANA, MAIL) for _ in range(12)))
    assert len(house.mails) == 12
    assert house.most_at_once == 4
    assert house.connections == 4


@pytest.mark.parametrize(
    ("where", "answer", "address"),
    [("at_rcpt", "550 5.1.1 no ana@families.test here", True), ("at_data", "554 5.7.1 looks like spam", False)],
    ids=["the address", "the mail"],
)
async def test_what_is_refused_for_good_is_refused_and_the_answer_is_not_quoted(
    house: MailHouse, server: SmtpServer, where: str, answer: str, address: bool
) -> None:
    setattr(house, where, answer)
    with pytest.raises(Refused) as refused:
        await server.send(SENDER, ANA, MAIL)
    assert refused.value.address is address
    assert "ana" not in str(refused.value)
    setattr(house, where, "250 OK")
    await server.send(SENDER, ANA, MAIL)
    assert house.mails == [MAIL]


@pytest.mark.parametrize(
    ("where", "answer"),
    [
        ("at_mail", "421 4.3.2 closing"),
        ("at_mail", "550 5.7.1 we don't know you"),
        ("at_rcpt", "451 4.7.1 greylisted, try later"),
        ("at_data", "452 4.3.1 disk full"),
    ],
    ids=["closing", "our sender", "greylisting", "full"],
)
async def test_what_time_or_we_can_mend_is_taken_later(
    house: MailHouse, server: SmtpServer, where: str, answer: str
) -> None:
    setattr(house, where, answer)
    with pytest.raises(NotTaken):
        await server.send(SENDER, ANA, MAIL)
    setattr(house, where, "250 OK")
    await server.send(SENDER, ANA, MAIL)
    assert house.mails == [MAIL]


async def test_a_server_that_is_down_takes_nothing_and_once_back_it_does(house: MailHouse, server: SmtpServer) -> None:
    await server.send(SENDER, ANA, MAIL)
    await house.stop()
    with pytest.raises(NotTaken):
        await server.send(SENDER, ANA, MAIL)
    await house.start()
    await server.send(SENDER, ANA, MAIL)
    assert len(house.mails) == 2


async def test_a_connection_that_was_cut_while_it_rested_is_replaced(house: MailHouse, server: SmtpServer) -> None:
    await server.send(SENDER, ANA, MAIL)
    house.hang_up()
    await asyncio.sleep(0.05)
    await server.send(SENDER, ANA, MAIL)
    assert house.connections == 2


async def test_a_connection_that_rested_long_is_asked_or_given_up(
    house: MailHouse, server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await server.send(SENDER, ANA, MAIL)
    monkeypatch.setattr(smtp, "FRESH_SECONDS", 0.0)
    await server.send(SENDER, ANA, MAIL)
    assert house.connections == 1
    monkeypatch.setattr(smtp, "IDLE_SECONDS", 0.0)
    await server.send(SENDER, ANA, MAIL)
    assert house.connections == 2


async def test_a_server_that_does_not_answer_in_time_is_left_and_its_connection_not_used_again(
    house: MailHouse, server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "SECONDS", 0.2)
    house.pause = 0.5
    with pytest.raises(NotTaken):
        await server.send(SENDER, ANA, MAIL)
    house.pause = 0
    await server.send(SENDER, ANA, MAIL)
    assert house.connections == 2


async def test_nobody_listens_behind_a_wrong_port() -> None:
    with pytest.raises(NotTaken):
        await SmtpServer("smtp://127.0.0.1:9").send(SENDER, ANA, MAIL)
