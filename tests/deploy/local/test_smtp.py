from email.message import EmailMessage

import aiohttp
import aiosmtplib
import pytest

from deploy.local.smtp import Caught, Mailbox, read
from services.chassis import clock


def mail(to="ada@example.org", subject="Your transcript"):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "placet@example.org", to, subject
    message.set_content("Please approve.")
    message.add_alternative("<p>Please <b>approve</b>.</p><script>alert(1)</script>", subtype="html")
    return message


def test_a_mail_is_read_with_its_parts_and_headers():
    shown = read(Caught(1, clock.now(), "placet@example.org", ("ada@example.org",), mail().as_bytes()))
    assert shown.subject == "Your transcript"
    assert shown.text.strip() == "Please approve."
    assert "<b>approve</b>" in shown.html
    assert ("To", "ada@example.org") in shown.headers


def test_rubbish_is_shown_too():
    assert read(Caught(1, clock.now(), "", (), b"\xff\x00 no headers at all")).subject == ""


def test_numbers_go_on_after_a_restart(tmp_path):
    (tmp_path / "000041.eml").touch()
    assert Mailbox(tmp_path).total == 41


@pytest.fixture(scope="module")
async def box(ground):
    async with aiohttp.ClientSession(ground.mail_url) as client:
        yield ground, client


async def send(ground, message):
    port = int(ground.smtp_url.rpartition(":")[2])
    return await aiosmtplib.send(message, hostname="127.0.0.1", port=port)


@pytest.mark.connected
class TestOnTheWire:
    @pytest.fixture(autouse=True)
    async def empty(self, box):
        await box[1].delete("/messages")

    async def messages(self, client, **query):
        return (await (await client.get("/messages", params=query)).json())["messages"]

    async def test_a_mail_is_caught_kept_as_a_file_and_listed(self, box):
        ground, client = box
        await send(ground, mail())
        (told,) = await self.messages(client, to="ada@example.org")
        assert (told["subject"], told["to"]) == ("Your transcript", ["ada@example.org"])
        assert await self.messages(client, to="somebody@example.org") == []
        (kept,) = (ground.folder / "mail").glob("*.eml")
        assert b"Your transcript" in kept.read_bytes()
        assert "Your transcript" in await (await client.get("/")).text()

    async def test_html_is_shown_where_it_can_do_nothing(self, box):
        ground, client = box
        await send(ground, mail())
        (told,) = await self.messages(client)
        answer = await client.get(f"/mail/{told['id']}/html")
        assert answer.headers["Content-Security-Policy"].startswith("sandbox allow-popups")
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        page = await (await client.get(f"/mail/{told['id']}")).text()
        assert 'sandbox="' in page
        assert "<script>" not in page

    async def test_a_subject_is_escaped(self, box):
        ground, client = box
        await send(ground, mail(subject="<script>alert(1)</script>"))
        assert "<script>" not in await (await client.get("/")).text()

    async def test_down_is_421_and_up_is_well_again(self, box):
        ground, client = box
        await client.post("/down")
        with pytest.raises((aiosmtplib.SMTPResponseException, aiosmtplib.SMTPServerDisconnected)) as told:
            await send(ground, mail())
        assert "421" in str(told.value)
        await client.post("/up")
        await send(ground, mail())
        assert len(await self.messages(client)) == 1

    async def test_an_address_that_bounces_is_refused_for_good(self, box):
        ground, client = box
        with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
            await send(ground, mail(to="bounce+ada@example.org"))
        assert await self.messages(client) == []

    async def test_no_such_mail_is_404(self, box):
        assert (await box[1].get("/mail/999999")).status == 404
