"""Where a request comes from: a network instead of an address, a device in words of our own."""

from __future__ import annotations

import pytest

from chatbot.auth.client_info import device_of, network_of

MOZILLA = "Mozilla/5.0"
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
WINDOWS, MAC, LINUX = "(Windows NT 10.0; Win64; x64)", "(Macintosh; Intel Mac OS X 10_15_7)", "(X11; Linux x86_64)"
PIXEL = "(Linux; Android 15; Pixel 9)"
IPHONE = "(iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
IPAD = "(iPad; CPU OS 16_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("user_agent", "device"),
    [
        (f"{MOZILLA} {WINDOWS} {WEBKIT} Chrome/138.0.0.0 Safari/537.36", "Chrome on Windows"),
        (f"{MOZILLA} {WINDOWS} {WEBKIT} Chrome/138.0.0.0 Safari/537.36 Edg/138.0.0.0", "Edge on Windows"),
        (f"{MOZILLA} {WINDOWS} {WEBKIT} Chrome/138.0.0.0 Safari/537.36 OPR/120.0.0.0", "Opera on Windows"),
        (f"{MOZILLA} {WINDOWS} {WEBKIT} Chrome/64.0.3282.140 Safari/537.36 Edge/18.17763", "Edge on Windows"),
        (f"{MOZILLA} (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Windows"),
        (f"{MOZILLA} (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko", "Windows"),
        (f"{MOZILLA} {MAC} {WEBKIT} Chrome/138.0.0.0 Safari/537.36", "Chrome on macOS"),
        (f"{MOZILLA} {MAC} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15", "Safari on macOS"),
        (f"{MOZILLA} (X11; Ubuntu; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        (f"{MOZILLA} {LINUX} {WEBKIT} HeadlessChrome/138.0.0.0 Safari/537.36", "Chrome on Linux"),
        (f"{MOZILLA} (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/138.0.0.0 Safari/537.36", "Chrome on ChromeOS"),
        (f"{MOZILLA} {PIXEL} {WEBKIT} Chrome/138.0.0.0 Mobile Safari/537.36", "Chrome on Android"),
        (f"{MOZILLA} {PIXEL} {WEBKIT} Chrome/138.0.0.0 Mobile Safari/537.36 EdgA/138.0.0.0", "Edge on Android"),
        (
            f"{MOZILLA} {PIXEL} {WEBKIT} SamsungBrowser/28.0 Chrome/130.0 Mobile Safari/537.36",
            "Samsung Internet on Android",
        ),
        (f"{MOZILLA} (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0", "Firefox on Android"),
        (f"{MOZILLA} {IPHONE} Version/18.5 Mobile/15E148 Safari/604.1", "Safari on iPhone"),
        (f"{MOZILLA} {IPHONE} CriOS/138.0.7204.53 Mobile/15E148 Safari/604.1", "Chrome on iPhone"),
        (f"{MOZILLA} {IPHONE} FxiOS/140.0 Mobile/15E148 Safari/605.1.15", "Firefox on iPhone"),
        (f"{MOZILLA} {IPHONE} Version/18.0 EdgiOS/138.0 Mobile/15E148 Safari/604.1", "Edge on iPhone"),
        (f"{MOZILLA} {IPAD} Version/16.6 Mobile/15E148 Safari/604.1", "Safari on iPad"),
        ("curl/8.14.1", "curl"),
        ("python-requests/2.32.4", "Python"),
        ("Python-urllib/3.11", "Python"),
        ("okhttp/4.12.0", "an Android app"),
        ("Chatbot/7 CFNetwork/3826.500.131 Darwin/24.5.0", "an Apple app"),
        ("PostmanRuntime/7.44.1", "Postman"),
    ],
)
def test_a_user_agent_is_told_in_two_words(user_agent, device):
    assert device_of(user_agent) == device


@pytest.mark.parametrize(
    "user_agent",
    [None, "", "-", "x", "\N{PILE OF POO}", "<script>alert(1)</script>", "a\r\nSet-Cookie: b", "Go-http-client/2.0"],
    ids=ascii,
)
def test_a_device_nobody_knows_is_told_as_nothing(user_agent):
    assert device_of(user_agent) == ""


@pytest.mark.parametrize("user_agent", ["KnowledgeBot/1.0", "Knowledge/1.0", "hedgehog", "pledge/2"])
def test_a_mark_inside_another_word_is_none(user_agent):
    assert device_of(user_agent) == ""


def test_nothing_of_a_user_agent_is_kept_but_words_of_our_own():
    """P1 P2: somebody may put a secret there, or half a log line."""
    hostile = f"{MOZILLA} {LINUX} Firefox/1 canary {'x' * 20_000} \N{RIGHT-TO-LEFT OVERRIDE}\u2028 Bearer eyJ"
    assert device_of(hostile) == "Firefox on Linux"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("127.0.0.1", "127.0.0.0/24"),
        ("0.0.0.0", "0.0.0.0/24"),
        ("255.255.255.255", "255.255.255.0/24"),
        ("10.1.2.3", "10.1.2.0/24"),
        ("2001:db8:1234:5678:9abc:def0:1234:5678", "2001:db8:1234::/48"),
        ("2001:DB8:1234::1", "2001:db8:1234::/48"),
        ("::1", "::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("::", "::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("::FFFF:cb00:714d", "203.0.113.0/24"),
        ("::ffff:10.0.0.1%2", "10.0.0.0/24"),
    ],
)
def test_an_address_is_kept_as_its_network(address, network):
    assert network_of(address) == network


@pytest.mark.parametrize(
    "address",
    [
        None,
        "",
        " ",
        "unknown",
        "_hidden",
        "example.com",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "1.2.3.4/8",
        "01.2.3.4",
        "1.2.3.4\n",
        "203.0.113.77, 10.0.0.1",
        ":::",
        "%",
        "2130706433",
        "0x7f.1",
        "\N{ARABIC-INDIC DIGIT ONE}.2.3.4",
    ],
    ids=ascii,
)
def test_what_is_no_address_is_kept_as_nothing(address):
    assert network_of(address) == ""


def test_whoever_shares_a_network_is_told_alike():
    """Two people of one house, or one person of two days, are not told apart."""
    assert len({network_of(f"203.0.113.{n}") for n in range(256)}) == 1
    assert len({network_of(f"2001:db8:1234:{n:x}::{n:x}") for n in range(0, 65_536, 257)}) == 1
