"""The one way out: what may be asked for, where a connection goes, and how much may come back."""

from __future__ import annotations

import ast
import datetime
import gzip
import socket
import ssl
import threading
from dataclasses import replace
from ipaddress import ip_address, ip_network

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chatbot import egress
from chatbot.config import ConfigError, load_settings
from chatbot.egress import (
    Cancelled,
    FetchFailed,
    Limits,
    UrlNotAllowed,
    cancellable,
    check,
    fetch,
    is_public,
    provider_client,
    raise_if_cancelled,
    target_of,
)
from chatbot.egress.connections import guard
from chatbot.egress.limits import limits_of
from tests.conftest import ROOT
from tests.web_server import WebServer, serving

PUBLIC = "93.184.216.34"
HTML = frozenset({"text/html"})


@pytest.fixture
def server():
    with serving() as server:
        yield server


def answering(*addresses: str, asked: list[str] | None = None):
    """A resolver that knows one answer to everything."""

    def resolve(host: str) -> list[str]:
        if asked is not None:
            asked.append(host)
        return list(addresses)

    return resolve


def here(server: WebServer, **changes) -> Limits:
    """Limits under which a server on loopback may be fetched."""
    return replace(Limits(ports=frozenset({server.port}), allowed_networks=(ip_network("127.0.0.1"),)), **changes)


def refused(url: str, limits: Limits | None = None) -> str:
    limits = limits or Limits(resolve=answering(PUBLIC))
    with pytest.raises(UrlNotAllowed) as from_check:
        check(url, limits)
    with pytest.raises(UrlNotAllowed) as from_fetch:
        fetch(url, limits)
    assert from_check.value.code == "url_not_allowed"
    assert str(from_fetch.value) == str(from_check.value)
    return str(from_check.value)


# Which module may


SPEAKERS = {"httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3", "aiohttp", "websockets"}
STANDARD_SPEAKERS = {"urllib.request", "http.client", "ftplib", "telnetlib", "xmlrpc.client", "socket", "asyncio"}


def imported(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in (
            "import_module",
            "__import__",
        ):
            names |= {str(arg.value) for arg in node.args if isinstance(arg, ast.Constant)}
    return names


def speaks(name: str) -> bool:
    return name.partition(".")[0] in SPEAKERS or any(
        name == module or name.startswith(f"{module}.") for module in STANDARD_SPEAKERS
    )


def test_only_egress_speaks_http_or_opens_sockets():
    """I10: mail goes out by Flask-Mail's smtplib, which chatbot/mail binds; chatbot/rag imports the OpenAI SDK, and
    hands it egress's client. Neither imports an HTTP library of its own."""
    found = {
        path.relative_to(ROOT).as_posix(): sorted(filter(speaks, imported(ast.parse(path.read_text()))))
        for path in (ROOT / "chatbot").rglob("*.py")
    }
    outside = {name: modules for name, modules in found.items() if modules and not name.startswith("chatbot/egress/")}
    # These two set options of connections that come in.
    assert outside == {
        "chatbot/web/streaming/websockets.py": ["socket"],
        "chatbot/web/streaming/tcp_user_timeout.py": ["socket"],
    }
    for name in outside:
        assert "connect(" not in (ROOT / name).read_text(encoding="utf-8").replace("wants_connect(", "")
    assert found["chatbot/egress/fetch.py"], "the test would find them"


def test_the_openai_sdk_gets_the_client_of_egress_and_no_other():
    """I10, L12: a client the SDK made by itself would follow redirects."""
    makers, made = {"OpenAIEmbeddings", "ChatOpenAI", "plain_embeddings", "plain_streams"}, set()
    for path in (ROOT / "chatbot" / "rag").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and (maker := getattr(node.func, "id", "")) in makers:
                given = {word.arg: ast.unparse(word.value) for word in node.keywords}
                # What only hands its options on is looked at where it is called.
                if given != {None: "options"}:
                    assert given["http_client"] == "provider_client()", path.name
                    made.add(maker)
    assert made == {"plain_embeddings", "plain_streams"}
    assert not egress.provider_client().follow_redirects


# Addresses


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "192.0.0.8",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "192.88.99.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:93.184.216.34",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "100::1",
        "64:ff9b::7f00:1",
        "64:ff9b::5db8:d822",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2002:5db8:d822::1",
        "2001:0:5ef5:79fb::1",
        "2001:db8::1",
        "2001:2::1",
        "2001:20::1",
        "3fff::1",
        "5f00::1",
        "4000::1",
    ],
)
def test_an_address_that_is_not_of_the_public_internet_is_known_as_such(text):
    """I1, I2"""
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", [PUBLIC, "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"])
def test_an_address_of_the_public_internet_is_known_as_such(text):
    assert is_public(ip_address(text))


# URLs


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://0.0.0.0/",
        "http://[::1]/",
        "http://10.1.2.3/",
        "http://172.16.0.1/",
        "http://192.168.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00::1]/",
        "http://[fe80::1]/",
        "http://100.64.0.1/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[::]/",
        "http://127.0.0.1./",
        "http://127。0。0。1/",
        "http://１２７.0.0.1/",
        "http://127｡0．0.1/",
    ],
)
def test_a_literal_address_that_is_not_public_is_refused(url):
    """I1, I2"""
    assert refused(url) == "This host leads to an address that is not on the public internet."


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0x7f.0x0.0x0.0x1",
        "017700000001",
        "0177.0.0.1",
        "127.1",
        "127.0.1",
        "127.0.0.01",
        "1.2.3.4.5",
        "256.1.1.1",
        "4294967296",
        "0",
        "0x",
        "example.0x7f",
        "2130706433.",
        "１２７.1",
        "①②⑦.1",
    ],
)
def test_a_number_in_any_other_form_is_refused_even_where_loopback_is_allowed(host):
    """I2"""
    limits = Limits(resolve=answering("127.0.0.1"), allowed_networks=(ip_network("0.0.0.0/0"),))
    assert refused(f"http://{host}/", limits) == "Write an IPv4 address as four decimal numbers."


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://example.com/",
        "ftp://example.com/",
        "data:text/html,hi",
        "javascript:alert(1)",
        "dict://example.com:11211/",
        "//example.com/",
        "example.com",
        "/etc/passwd",
        "",
        "http:",
        "http://",
        "http:///a",
        "https:example.com",
        "jar:http://example.com!/",
        "ws://example.com/",
        "HTTPX://example.com/",
    ],
)
def test_only_http_and_https_are_fetched(url):
    """I3"""
    assert refused(url) == "Only addresses that begin with http:// or https:// can be fetched."


@pytest.mark.parametrize(
    "url",
    [
        "http://good@127.0.0.1/",
        "http://example.com@example.org/",
        "http://u:p@example.com/",
        "http://@example.com/",
        "http://example.com:80@127.0.0.1/",
        "http://:@example.com/",
    ],
)
def test_a_user_name_in_a_url_is_refused(url):
    """I3"""
    assert refused(url) == "The address may not have a user name or a password in it."


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com\\@127.0.0.1/",
        "http:\\\\example.com/",
        "http://exam\tple.com/",
        "http://example.com/\r\nX: y",
        "http://example.com/\x00",
        "http://exa\u200bmple.com/",
        "http://example.com/\ud800",
        "\x01http://example.com/",
        "http://example.com/\u202egnp.html",
    ],
)
def test_characters_that_two_readers_take_differently_are_refused(url):
    """I3"""
    assert refused(url) == "The address has characters that do not belong into one."


@pytest.mark.parametrize(
    "port", ["22", "25", "6379", "8080", "443 ", "0", "65536", "080", "99999999", "+80", "８０", "x"]
)
def test_a_port_that_is_not_set_is_refused(port):
    """I3"""
    url = f"http://example.com:{port}/"
    if port == "080":
        assert target_of(url, {80, 443}).url == "http://example.com/"
    else:
        assert "port" in refused(url)


@pytest.mark.parametrize(
    "host",
    [
        "a b.example.com",
        "example%2ecom",
        "%31%32%37.0.0.1",
        "exa_mple..com",
        ".example.com",
        "-a.example.com",
        "a-.example.com",
        "a" * 64 + ".com",
        "a." * 130 + "com",
        "example.com..",
        "exam<ple.com",
        "[::1",
        "::1",
        "[::1]x",
        "[fe80::1%25eth0]",
        "[v1.a]",
        "[127.0.0.1]",
        "a[::1]",
        "exam℀ple.com",
        ".",
        "a,b.com",
        "xn--a\u0300.com",
    ],
)
def test_a_host_that_is_not_one_is_refused(host):
    """I2, I3"""
    refused(f"http://{host}/")


@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("HTTP://Example.COM", "http://example.com/"),
        ("https://example.com:443/a?b=c#part", "https://example.com/a?b=c"),
        ("http://example.com:443/", "http://example.com:443/"),
        (" https://example.com./a ", "https://example.com/a"),
        ("https://bücher.example/ä?q=ü", "https://xn--bcher-kva.example/%C3%A4?q=%C3%BC"),
        ("https://example。com/", "https://example.com/"),
        ("https://example.com/a b%20c", "https://example.com/a%20b%20c"),
        ("https://example.com?q=1", "https://example.com/?q=1"),
        ("http://[2606:4700:0::1111]/", "http://[2606:4700::1111]/"),
        ("http://my_host.example.com/", "http://my_host.example.com/"),
    ],
)
def test_a_url_has_one_form(url, form):
    """I2"""
    assert check(url, Limits(resolve=answering(PUBLIC))) == form
    assert check(form, Limits(resolve=answering(PUBLIC))) == form


def test_a_url_that_grows_too_long_for_its_column_is_refused():
    """G9"""
    stem = "https://example.com/"
    assert len(check(stem + "a" * (2000 - len(stem)), Limits(resolve=answering(PUBLIC)))) == 2000
    refused(stem + "a" * (2001 - len(stem)))
    refused(stem + "ä" * 400)


# Names and where they lead


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"],
        [PUBLIC, "10.0.0.1"],
        ["10.0.0.1", PUBLIC],
        ["2606:4700::1111", "fd00::1"],
        ["::ffff:127.0.0.1"],
        [PUBLIC, "fe80::1%eth0"],
    ],
    ids=" ".join,
)
def test_one_answer_of_a_name_that_is_not_public_refuses_all(answers):
    """I5"""
    assert "not on the public internet" in refused("https://example.com/", Limits(resolve=answering(*answers)))


def test_nothing_is_sent_to_an_address_that_is_refused(server):
    """I1"""
    limits = Limits(ports=frozenset({server.port}))
    for host in ("127.0.0.1", "localhost", "127.0.0.1.", "[::ffff:127.0.0.1]"):
        refused(server.url("/", host=host), limits)
    assert server.connections == 0


def test_a_name_is_looked_up_once_and_the_connection_goes_to_that_answer(server):
    """I5: the second answer would lead to nobody."""
    server.page("/", "here")
    answers = iter([["127.0.0.1"], ["127.0.0.9"]])
    asked: list[str] = []

    def resolve(host: str) -> list[str]:
        asked.append(host)
        return next(answers)

    fetched = fetch(server.url("/", host="Docs.example.com"), here(server, resolve=resolve))

    assert (fetched.body, asked) == (b"here", ["docs.example.com"])
    assert server.requests[0][1]["host"] == f"docs.example.com:{server.port}"


def test_a_name_that_was_public_when_it_was_checked_is_judged_again_when_it_is_fetched(server):
    """I5, I6"""
    answers = iter([[PUBLIC], ["127.0.0.1"]])
    limits = Limits(ports=frozenset({server.port}), resolve=lambda _: next(answers))
    url = check(server.url("/", host="docs.example.com"), limits)
    with pytest.raises(UrlNotAllowed):
        fetch(url, limits)
    assert server.connections == 0


def test_the_next_address_of_a_name_is_tried_when_one_does_not_answer(server):
    server.page("/", "here")
    limits = here(server, resolve=answering("127.0.0.9", "127.0.0.1"), allowed_networks=(ip_network("127.0.0.0/8"),))
    assert fetch(server.url("/", host="docs.example.com"), limits).body == b"here"


def test_a_name_nobody_knows_is_refused_and_a_resolver_that_is_away_is_no_reason_to():
    def unknown(host: str) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    def away(host: str) -> list[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "away")

    with pytest.raises(UrlNotAllowed, match="no host of this name"):
        check("https://example.com/", Limits(resolve=unknown))
    assert check("https://example.com/", Limits(resolve=away)) == "https://example.com/"
    for resolve in (unknown, away, answering()):
        with pytest.raises(FetchFailed) as failure:
            fetch("https://example.com/", Limits(resolve=resolve))
        assert failure.value.may_pass


def test_a_resolver_that_hangs_is_not_waited_for(server):
    """I7"""

    def hangs(host: str) -> list[str]:
        server.closing.wait(30)
        return [PUBLIC]

    limits = Limits(resolve=hangs, look_up_seconds=0.05)
    assert check("https://example.com/", limits) == "https://example.com/"
    with pytest.raises(FetchFailed, match="took too long") as failure:
        fetch("https://example.com/", limits)
    assert failure.value.may_pass


def test_an_operator_allows_hosts_by_name_and_by_network(server):
    server.page("/", "here")
    named = Limits(ports=frozenset({server.port}), allowed_hosts=frozenset({"wiki"}), resolve=answering("127.0.0.1"))
    assert fetch(server.url("/", host="WIKI."), named).body == b"here"
    refused(server.url("/", host="wiki2"), named)
    refused(server.url("/"), named)
    refused(server.url("/", host="127.0.0.2"), here(server))


def test_the_settings_say_what_is_allowed_beyond_the_public_internet():
    settings = load_settings(
        _env_file=None,
        fetch_ports="80,443,8080",
        fetch_allow_hosts="10.1.0.0/16, Wiki.example.com,::1",
        max_upload_mb=2,
    )
    limits = limits_of(settings, HTML)
    assert limits.ports == {80, 443, 8080}
    assert limits.allowed_hosts == {"wiki.example.com"}
    assert limits.allowed_networks == (ip_network("10.1.0.0/16"), ip_network("::1"))
    assert (limits.max_bytes, limits.media_types) == (2 * 1024 * 1024, HTML)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fetch_ports", "0"),
        ("fetch_ports", "65536"),
        ("fetch_ports", "http"),
        ("fetch_allow_hosts", "http://wiki"),
        ("fetch_allow_hosts", "10.1"),
        ("fetch_allow_hosts", "10.1.0.1/16"),
        ("fetch_allow_hosts", "*.example.com"),
    ],
)
def test_a_setting_that_says_nothing_clear_stops_the_start(name, value):
    """P11"""
    with pytest.raises(ConfigError, match=name.upper()):
        load_settings(_env_file=None, **{name: value})


# Redirects


def test_redirects_are_followed_and_the_end_is_told(server):
    server.redirect("/a", "/b?x=1")
    server.redirect("/b?x=1", server.url("/c/hours.html"), status=308)
    server.page("/c/hours.html", "hours", media_type="Text/HTML; charset=utf-8")
    fetched = fetch(server.url("/a#part"), here(server))
    assert (fetched.url, fetched.final_url) == (server.url("/a"), server.url("/c/hours.html"))
    assert (fetched.media_type, fetched.filename, fetched.body) == ("text/html", "hours.html", b"hours")


@pytest.mark.parametrize(
    "location",
    [
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/",
        "http://[::1]/",
        "//127.0.0.2/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://2130706433/",
        "http://u@127.0.0.1/",
        "http://127.0.0.1:22/",
        "http://[/",
    ],
)
def test_each_hop_is_judged_like_the_first(server, location):
    """I4"""
    server.redirect("/", location)
    limits = here(server, ports=frozenset({80, 443, server.port}))
    with pytest.raises(UrlNotAllowed):
        fetch(server.url("/"), limits)
    assert server.connections == 1


def test_no_more_than_five_redirects_are_followed(server):
    """I4"""
    for hop in range(10):
        server.redirect(f"/{hop}", f"/{hop + 1}")
    server.page("/10", "end")
    assert fetch(server.url("/5"), here(server)).body == b"end"
    before = len(server.requests)
    with pytest.raises(FetchFailed, match="more than 5 times") as failure:
        fetch(server.url("/4"), here(server))
    assert not failure.value.may_pass
    assert len(server.requests) - before == 6


def test_a_location_is_read_as_the_utf_8_it_is(server):
    server.redirect("/", "/größe")
    server.page("/gr%C3%B6%C3%9Fe", "here")
    assert fetch(server.url("/"), here(server)).body == b"here"


# What is sent


def test_a_request_says_nothing_about_anybody(server, monkeypatch, tmp_path):
    """I8: no proxy of the environment, no cookie of the page before, no password from a .netrc."""
    with serving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        server.redirect("/", "/next", Set_Cookie="seen=1; Path=/")
        server.page("/next", "here")
        fetch(server.url("/"), here(server))
        assert proxy.connections == 0
    for _, headers in server.requests:
        assert set(headers) == {"host", "user-agent", "accept", "accept-encoding", "connection"}
        assert headers["user-agent"].startswith("chatbot/")
        assert headers["accept-encoding"] == "gzip"


# What comes back


@pytest.mark.parametrize(
    ("status", "may_pass"),
    [
        (404, False),
        (410, False),
        (401, False),
        (403, False),
        (418, False),
        (204, False),
        (206, False),
        (304, False),
        (408, True),
        (425, True),
        (429, True),
        (500, True),
        (502, True),
        (503, True),
        (504, True),
    ],
)
def test_an_answer_that_is_no_document_says_whether_to_try_again(server, status, may_pass):
    server.page("/", "" if status in (204, 304) else "sorry", status=status)
    with pytest.raises(FetchFailed, match=f"answered {status}") as failure:
        fetch(server.url("/"), here(server))
    assert (failure.value.may_pass, failure.value.code) == (may_pass, "fetch_failed")


@pytest.mark.parametrize(
    ("media_type", "comes"),
    [
        ("text/html; charset=utf-8", True),
        ("TEXT/HTML", True),
        ("", True),
        ("application/octet-stream", True),
        ("image/png", False),
        ("video/mp4", False),
        ("text/html\u00e9", False),
        ("nonsense", False),
    ],
)
def test_a_kind_that_cannot_be_read_is_refused_before_it_is_read(server, media_type, comes):
    """I7"""
    server.page("/", "x", media_type=media_type)
    limits = here(server, media_types=HTML)
    if comes:
        assert fetch(server.url("/"), limits).body == b"x"
        return
    with pytest.raises(FetchFailed, match="cannot be read as a document") as failure:
        fetch(server.url("/"), limits)
    assert not failure.value.may_pass


def too_large(server, **changes) -> None:
    with pytest.raises(FetchFailed, match="larger than 1 MB") as failure:
        fetch(server.url("/"), here(server, max_bytes=1024 * 1024, **changes))
    assert not failure.value.may_pass


def test_a_body_of_just_the_size_comes_and_one_byte_more_does_not(server):
    """I7, G9"""
    limits = here(server, max_bytes=1000)
    for headers in ({}, {"Content_Encoding": "gzip"}):
        for size, comes in ((1000, True), (1001, False)):
            body = b"a" * size
            server.page("/", gzip.compress(body) if headers else body, **headers)
            if comes:
                assert fetch(server.url("/"), limits).body == body
            else:
                with pytest.raises(FetchFailed, match="larger than"):
                    fetch(server.url("/"), limits)


def test_a_body_that_says_it_is_too_large_is_not_read(server):
    """I7"""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 10737418240\r\n\r\n"
    server.drip("/", head, b"")
    too_large(server)


def test_a_body_without_an_end_is_cut_off(server):
    """I7"""
    chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
    server.drip("/", b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n", chunk)
    too_large(server)


@pytest.mark.parametrize("members", [1, 3])
def test_a_gzip_bomb_is_not_unpacked(server, members):
    """I7"""
    bomb = b"".join(gzip.compress(b"\0" * (30_000_000 // members)) for _ in range(members))
    assert len(bomb) < 100_000
    server.page("/", bomb, Content_Encoding="gzip")
    too_large(server)


def test_gzip_is_unpacked_whole_and_only_whole(server):
    body = bytes(range(256)) * 500
    packed = gzip.compress(body[:70_000]) + gzip.compress(body[70_000:])
    server.page("/", packed, Content_Encoding="gzip")
    assert fetch(server.url("/"), here(server)).body == body
    server.page("/cut", packed[:-20], Content_Encoding="gzip")
    with pytest.raises(FetchFailed, match="only in part"):
        fetch(server.url("/cut"), here(server))
    server.page("/bad", b"not gzip at all", Content_Encoding="gzip")
    with pytest.raises(FetchFailed, match="badly"):
        fetch(server.url("/bad"), here(server))


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd"])
def test_an_encoding_that_was_not_asked_for_is_refused(server, encoding):
    """I7"""
    server.page("/", b"whatever", Content_Encoding=encoding)
    with pytest.raises(FetchFailed, match="not asked for"):
        fetch(server.url("/"), here(server))


OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"


@pytest.mark.parametrize(
    ("first", "piece"),
    [
        (b"", b""),
        (b"H", b""),
        (OK, b"X-A: b\r\n"[:1]),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (OK + b"Content-Length: 100000\r\n\r\n", b"a"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        (OK + b"\r\n", b"a"),
    ],
    ids=["silence", "half-a-line", "header", "informational", "body", "chunks", "no-length"],
)
def test_a_server_that_drips_is_left_when_the_time_is_over(server, first, piece):
    """I7: each byte comes in time, the whole never does."""
    server.drip("/", first, piece)
    with pytest.raises(FetchFailed, match="took too long") as failure:
        fetch(server.url("/"), here(server, seconds=0.3))
    assert failure.value.may_pass


def test_the_time_counts_for_all_hops_together(server):
    """I7"""
    server.drip("/", OK + b"Content-Length: 100000\r\n\r\n", b"a")
    server.redirect("/a", "/")
    with pytest.raises(FetchFailed, match="took too long"):
        fetch(server.url("/a"), here(server, seconds=0.3))


@pytest.mark.parametrize(
    "written",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n",
        OK + b"Content-Length: 100\r\n\r\nshort",
        b"",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    ],
    ids=["ssh", "short", "nothing", "half-a-chunk", "huge-header", "two-lengths"],
)
def test_what_is_not_a_whole_answer_is_a_failure_that_may_pass(server, written):
    server.script("/", lambda file: file.write(written))
    with pytest.raises(FetchFailed, match="broke off") as failure:
        fetch(server.url("/"), here(server))
    assert failure.value.may_pass


def test_a_port_where_nobody_listens_is_a_failure_that_may_pass():
    with serving() as server:
        limits = here(server)
        url = server.url("/")
    with pytest.raises(FetchFailed, match="No connection") as failure:
        fetch(url, limits)
    assert failure.value.may_pass


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="hours.pdf"', "hours.pdf"),
        ("inline", "get"),
        ("", "get"),
        ("attachment; filename*=UTF-8''gr%C3%B6%C3%9Fe.pdf", "größe.pdf"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="C:\\\\x\\\\y.txt"', "y.txt"),
        ('attachment; filename=""', "get"),
        ("attachment; filename*=nonsense''x", "x"),
        (";;;=", "get"),
    ],
)
def test_a_file_has_the_name_its_server_gives_it_and_never_a_path(server, header, name):
    """H1"""
    server.page("/files/get?id=1", "x", Content_Disposition=header)
    assert fetch(server.url("/files/get?id=1"), here(server)).filename == name


def test_a_file_without_a_name_is_called_by_its_url():
    for path, name in (
        ("/a/gr%C3%B6%C3%9Fe.pdf?x=/y", "größe.pdf"),
        ("/a%2Fb.md", "b.md"),
        ("/%FF.md", "\ufffd.md"),
        ("/", ""),
    ):
        assert target_of(f"http://example.com{path}", {80}).filename == name


# Certificates


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate for docs.example.com: what a server shows, and what a client must trust to believe it."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "docs.example.com")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("docs.example.com")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "both.pem").write_bytes(pem + private)
    shows = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shows.load_cert_chain(folder / "both.pem")
    return shows, pem.decode()


@pytest.fixture
def secure(authority):
    """A server that speaks TLS, the limits that trust it, and the names it was asked for."""
    shows, pem = authority
    names: list[str | None] = []
    shows.sni_callback = lambda *said: names.append(said[1])
    trusts = ssl.create_default_context(cadata=pem)
    with serving(shows) as server:
        yield server, here(server, tls=trusts, resolve=answering("127.0.0.1")), names


def test_the_certificate_is_checked_against_the_name_and_not_the_address(secure):
    """I5"""
    server, limits, names = secure
    server.page("/", "here")
    assert fetch(server.url("/", host="docs.example.com", scheme="https"), limits).body == b"here"
    assert names == ["docs.example.com"]
    assert server.requests[0][1]["host"] == f"docs.example.com:{server.port}"
    for url in (server.url("/", host="evil.example.com", scheme="https"), server.url("/", scheme="https")):
        with pytest.raises(FetchFailed, match="certificate") as failure:
            fetch(url, limits)
        assert not failure.value.may_pass


def test_a_certificate_that_the_system_does_not_trust_is_refused(secure):
    server, limits, _ = secure
    with pytest.raises(FetchFailed, match="certificate"):
        fetch(server.url("/", host="docs.example.com", scheme="https"), replace(limits, tls=None))
    assert server.requests == []


def test_a_redirect_leads_from_http_to_https_and_never_back(secure, server):
    """I4"""
    tls, limits, _ = secure
    both = replace(limits, ports=frozenset({tls.port, server.port}))
    tls.page("/", "here")
    server.redirect("/", tls.url("/", host="docs.example.com", scheme="https"))
    assert fetch(server.url("/"), both).body == b"here"
    tls.redirect("/back", server.url("/"))
    with pytest.raises(UrlNotAllowed, match="from https to http"):
        fetch(tls.url("/back", host="docs.example.com", scheme="https"), both)


def test_a_server_that_speaks_no_tls_is_a_failure(server):
    with pytest.raises(FetchFailed):
        fetch(server.url("/", scheme="https"), here(server))


def slowly(server, *pieces, seconds=0.5):
    """A script that writes pieces, and waits behind each."""

    def script(out):
        out.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % sum(map(len, pieces)))
        for piece in pieces:
            out.write(piece)
            out.flush()
            server.closing.wait(seconds)

    return script


@pytest.fixture
def stoppable_client(secure):
    """A client like the provider's that trusts the test's certificate."""
    trusts = secure[1].tls
    trusts.check_hostname = False
    client = httpx2.Client(verify=trusts, timeout=5)
    guard(client)
    yield client
    client.close()


def test_the_providers_client_can_be_stopped():
    """Its field is not public; a version that has another one would be noticed here."""
    assert type(provider_client()._transport._pool._network_backend).__module__.startswith("chatbot.egress")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_slow_answer_is_read_whole_while_somebody_may_stop_it(stoppable_client, secure, server, scheme):
    to = secure[0] if scheme == "https" else server
    to.script("/slow", slowly(to, b"one ", b"two ", b"three"))
    with cancellable(lambda: False):
        assert stoppable_client.get(to.url("/slow", host="localhost", scheme=scheme)).text == "one two three"


def test_a_read_ends_when_it_is_asked_to(stoppable_client, server):
    """Before the first byte, and between two; the connection is closed."""
    asked = threading.Event()
    server.script("/slow", slowly(server, b"one ", b"two", seconds=30))
    server.script("/silent", lambda _out: server.closing.wait(30))

    def read():
        with cancellable(asked.is_set), stoppable_client.stream("GET", server.url("/slow")) as answer:
            for _ in answer.iter_bytes():
                asked.set()

    with pytest.raises(Cancelled):
        read()
    with pytest.raises(Cancelled), cancellable(asked.is_set):
        stoppable_client.get(server.url("/silent"))
    asked.clear()
    threading.Timer(0.3, asked.set).start()
    with pytest.raises(Cancelled), cancellable(lambda: False), cancellable(asked.is_set):
        stoppable_client.get(server.url("/silent"))
    with cancellable(asked.is_set), cancellable(lambda: False), pytest.raises(Cancelled):
        raise_if_cancelled()
    raise_if_cancelled()
    assert stoppable_client._transport._pool.connections == []


def test_a_time_out_is_one_all_the_same(stoppable_client, server):
    """L6"""
    server.script("/silent", lambda _out: server.closing.wait(30))
    with cancellable(lambda: False), pytest.raises(httpx2.ReadTimeout):
        stoppable_client.get(server.url("/silent"), timeout=0.3)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/wiki/%c3%9cber", "/wiki/%C3%9Cber"),
        ("/wiki/Über", "/wiki/%C3%9Cber"),
        ("/a%2Db%7Ec", "/a-b~c"),
        ("/wiki/a/../Ferry", "/wiki/Ferry"),
        ("/./a/.", "/a/"),
        ("/../a", "/a"),
        ("/a/%2e%2E/b", "/b"),
        ("?q=%6a%2f", "/?q=j%2F"),
        ("/a#b", "/a"),
    ],
)
def test_equivalent_urls_have_one_form(one: str, other: str) -> None:
    assert target_of(f"http://example.com{one}", {80}).url == f"http://example.com{other}"


@pytest.mark.parametrize(
    "path", ["/a%2Fb", "/%%34", "/%4%31", "/a//b", "/?b=2&a=1", "/100%", "/a%2", "/?x=/../y", "/a.../b"]
)
def test_what_may_mean_another_page_stays_as_it_is(path: str) -> None:
    assert target_of(f"http://example.com{path}", {80}).path == path
