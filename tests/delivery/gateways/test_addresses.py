"""The address guard: every block, every spelling, every trick."""

import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from services.delivery.gateways.addresses import AddressRefused, GuardedResolver, GuardedSockets, against, check_url

REFUSED = [
    # IPv4, one of each block and its edges
    "0.0.0.0", "0.255.255.255", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1",
    "127.255.255.254", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1",
    "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255",
    "240.0.0.1", "255.255.255.255",
    # IPv6
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:7f00:1", "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::8.8.8.8", "64:ff9b:1::1", "100::1", "2001::1", "2001:0:0:0::7f00:1",
    "2001:2::1", "2001:10::1", "2001:db8::1", "2002:7f00:1::", "2002::1", "3fff::1", "fc00::1", "fd00:ec2::254", "fe80::1",
    "febf::1", "fec0::1", "ff02::1", "ff0e::1", "4000::1", "0:0:0:0:0:0:0:1",
    # No addresses at all, or scoped ones
    "fe80::1%eth0", "::1%lo", "2606:4700::1111%1", "localhost", "", "1.2.3", "0x7f000001", "2130706433", "017700000001",
]  # fmt: skip


@pytest.mark.parametrize("address", REFUSED)
def test_no_call_goes_to(address: str) -> None:
    assert against(address, local=False) is not None


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001::1"]
)
def test_a_call_may_go_to(address: str) -> None:
    assert against(address, local=False) is None


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "127.8.8.8"])
def test_local_mode_opens_loopback(address: str) -> None:
    assert against(address, local=True) is None


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "fe80::1", "::ffff:127.0.0.1", "0.0.0.0", "::"])
def test_and_nothing_else(address: str) -> None:
    assert against(address, local=True) is not None


SPELLINGS = [
    # Loopback and the metadata service, in every spelling that some resolver or parser reads
    "https://127.0.0.1/", "https://127.1/", "https://127.0.1/", "https://0/", "https://0.0.0.0/", "https://2130706433/",
    "https://0x7f000001/", "https://0x7f.0.0.1/", "https://0x7f.1/", "https://0177.0.0.1/", "https://0177.1/",
    "https://017700000001/", "https://127.0.0.0x1/", "https://127.000.000.001/", "https://00000127.0.0.1/",
    "https://3232235521/", "https://0xa9fea9fe/", "https://2852039166/", "https://169.254.169.254/latest/meta-data/",
    "https://0251.0376.0251.0376/", "https://0xa9.0xfe.0xa9.0xfe/", "https://10.0.0.1/", "https://192.168.1.1/",
    "https://172.16.0.1/", "https://999.1.1.1/", "https://1.1.1.1.1/", "https://256.256.256.256/", "https://127.0.0.1./",
    "https://[::1]/", "https://[::]/", "https://[0:0:0:0:0:0:0:1]/", "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/", "https://[::127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/",
    "https://[fd00:ec2::254]/", "https://[fe80::1]/", "https://[fe80::1%25eth0]/", "https://[fe80::1%eth0]/",
    "https://[::1%25lo]/", "https://[1.2.3.4]/", "https://::1/", "https://[::1/",
    # Other alphabets and escapes that normalise into an address or a name of ours
    "https://１２７.0.0.1/", "https://127。0。0。1/", "https://①②⑦.⓪.⓪.①/", "https://%31%32%37.0.0.1/",
    "https://ⓛocalhost/", "https://localhost%00.example.com/", "https://exa\u00admple.com/",
    # Names that are ours, or nobody's
    "https://localhost/", "https://LOCALHOST/", "https://mongo/", "https://kafka:443/", "https://-bad.example/",
    "https://bad..example/", "https://.example/", "https://a_b.example/", f"https://{'a' * 64}.example/", "https:///x",
    f"https://{'a.' * 130}example/",
    # Logins, backslashes, fragments, blanks: where parsers differ
    "https://college.example@127.0.0.1/", "https://127.0.0.1@college.example/", "https://user:pass@college.example/",
    "https://college.example\\@127.0.0.1/", "https://college.example#@127.0.0.1/", "https://college.example/#frag",
    "https://college.example /", " https://college.example/", "https://college.example/\n", "https://college.example/\r\nHost: x",
    "https://college.example/\tx", "https:\\\\college.example/", "https:/college.example/", "https:college.example",
    "//college.example/", "college.example", "",
    # Schemes and ports
    "http://college.example/", "HTTP://college.example/", "ftp://college.example/", "file:///etc/passwd", "gopher://college.example/",
    "javascript:alert(1)", "https://college.example:80/", "https://college.example:22/", "https://college.example:27017/",
    "https://college.example:99999/", "https://college.example:0/", "https://college.example:443:443/",
    f"https://college.example/{'x' * 500}",
]  # fmt: skip


@pytest.mark.parametrize("url", SPELLINGS)
def test_no_endpoint_is_made_at(url: str) -> None:
    assert check_url(url, local=False) is not None


def test_there_are_at_least_sixty_spellings() -> None:
    assert len(set(SPELLINGS)) >= 60


ALLOWED = [
    "https://college.example/hooks",
    "https://college.example:443/hooks?x=1",
    "https://hooks.college.example",
    "https://xn--bcher-kva.example/",
    "https://8.8.8.8/",
    "https://[2606:4700:4700::1111]/",
]


@pytest.mark.parametrize("url", ALLOWED)
def test_an_endpoint_may_be_made_at(url: str) -> None:
    assert check_url(url, local=False) is None


def test_a_listed_port_may_be_used() -> None:
    assert check_url("https://college.example:8443/", local=False, ports=(443, 8443)) is None


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9000/x", "http://localhost:80/", "http://[::1]:1/", "https://127.0.0.1/"]
)
def test_local_mode_lets_loopback_be_an_endpoint(url: str) -> None:
    assert check_url(url, local=True) is None


@pytest.mark.parametrize(
    "url", ["http://college.example/", "https://10.0.0.1/", "http://2130706433/", "https://mongo/"]
)
def test_local_mode_lets_nothing_else_be_one(url: str) -> None:
    assert check_url(url, local=True) is not None


class Answering(AbstractResolver):
    """A name server that says what it is told to."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=one, port=port, family=family, proto=0, flags=0) for one in self.addresses
        ]

    async def close(self) -> None:
        return


async def test_a_name_with_good_addresses_is_resolved() -> None:
    guarded = GuardedResolver(local=False, inner=Answering("8.8.8.8", "1.1.1.1"))
    assert [one["host"] for one in await guarded.resolve("college.example", 443)] == ["8.8.8.8", "1.1.1.1"]
    await guarded.close()


@pytest.mark.parametrize("addresses", [("127.0.0.1",), ("8.8.8.8", "10.0.0.1"), ("8.8.8.8", "fe80::1")])
async def test_a_name_is_refused_when_any_of_its_addresses_is_bad(addresses: tuple[str, ...]) -> None:
    with pytest.raises(AddressRefused):
        await GuardedResolver(local=False, inner=Answering(*addresses)).resolve("college.example", 443)


BAD_SOCKETS = [
    (socket.AF_INET, ("127.0.0.1", 443)),
    (socket.AF_INET6, ("::1", 443, 0, 0)),
    (socket.AF_INET6, ("2606:4700::1111", 443, 0, 3)),
]


@pytest.mark.parametrize(
    ("family", "where"), BAD_SOCKETS, ids=["loopback", "loopback of IPv6", "a scope beside the address"]
)
def test_no_socket_is_made_for(family: int, where: tuple[object, ...]) -> None:
    with pytest.raises(AddressRefused):
        GuardedSockets(local=False)((family, socket.SOCK_STREAM, 6, "", where))
