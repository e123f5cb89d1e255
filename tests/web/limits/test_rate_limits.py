"""What a view may be asked how often, by whom, and what answers say of it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import redis as redis_client
from flask import g

from chatbot.auth.guard import public, signed_in
from chatbot.web.limits import rate_limits as table
from chatbot.web.limits.rate_limits import MINUTE, Limit, by_address, by_all, by_caller, limited, network
from tests.conftest import sign_up

PATH = "/limited/"


def with_view(app, decorator, guard=public):
    """A client of the application with one more view, which wears the decorator."""

    @guard
    @decorator
    def view():
        return {}

    app.add_url_rule(PATH, "limited", view, methods=["GET", "POST"])
    return app.test_client()


@pytest.fixture
def app(make_app):
    """An application with limits, counting in memory."""
    return make_app(ratelimit_enabled=True)


def ask(client, ip="192.0.2.1", **kwargs):
    return client.get(PATH, environ_overrides={"REMOTE_ADDR": ip}, **kwargs)


def narrow(amount=2, key=by_address):
    return limited("test", Limit("ip", amount, MINUTE, key))


def test_an_answer_tells_every_limit_that_applied(app):
    answer = ask(with_view(app, table.signup))
    assert answer.headers["RateLimit-Policy"] == '"ip";q=100;w=3600, "global";q=1000;w=3600'
    assert answer.headers["RateLimit"] == '"ip";r=99;t=3600, "global";r=999;t=3600'
    assert "Retry-After" not in answer.headers


def test_a_call_too_many_is_told_when_to_come_back(app):
    client = with_view(app, narrow())
    assert [ask(client).status_code for _ in range(2)] == [200, 200]
    refused = ask(client)
    assert (refused.status_code, refused.json["code"]) == (429, "too_many_requests")
    assert refused.headers["RateLimit"].startswith('"ip";r=0;t=')
    assert 1 <= int(refused.headers["Retry-After"]) <= MINUTE


def test_the_time_to_come_back_is_that_of_the_last_limit_to_have_room(app):
    wanted = (Limit("ip", 1, MINUTE, by_address), Limit("global", 1, 10 * MINUTE, by_all))
    client = with_view(app, limited("test", *wanted))
    ask(client)
    assert MINUTE < int(ask(client).headers["Retry-After"]) <= 10 * MINUTE


def test_who_is_refused_does_not_use_up_what_everybody_has(app):
    """B3: one address alone cannot close the sign-up for all."""
    client = with_view(app, table.signup)
    assert [ask(client).status_code for _ in range(110)][99:] == [200] + [429] * 10
    assert '"global";r=899' in ask(client, "192.0.2.2").headers["RateLimit"]


def test_everybody_together_has_a_limit_too(app):
    """B3"""
    client = with_view(app, table.signup)
    answers = [ask(client, f"10.0.{n // 50}.{n % 50}").status_code for n in range(1_001)]
    assert answers == [200] * 1_000 + [429]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json", "/swagger/", "/static/page.css"])
def test_health_and_documentation_are_never_limited(app, path):
    with app.test_client().get(path) as answer:
        assert answer.status_code == 200
        assert "RateLimit" not in answer.headers


def test_without_limits_nothing_is_counted(make_app):
    client = with_view(make_app(ratelimit_enabled=False), narrow(1))
    answers = [ask(client) for _ in range(3)]
    assert [(answer.status_code, "RateLimit" in answer.headers) for answer in answers] == [(200, False)] * 3


def test_a_limit_whose_key_is_nobody_does_not_apply(app):
    client = with_view(app, narrow(1, lambda: None))
    answers = [ask(client) for _ in range(3)]
    assert [(answer.status_code, "RateLimit" in answer.headers) for answer in answers] == [(200, False)] * 3


def test_a_fault_in_a_key_is_no_way_around_the_limit(app):
    assert ask(with_view(app, narrow(1, lambda: {}["nothing"]))).status_code == 500


def test_letters_are_limited_for_their_address_for_the_client_and_for_all(app):
    """C15"""
    client = with_view(app, table.letters("letter", lambda: "ada@example.com"))
    answers = [ask(client, f"192.0.2.{n}") for n in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    expected = '"account";q=3;w=21600, "ip";q=20;w=3600, "global";q=500;w=3600'
    assert answers[0].headers["RateLimit-Policy"] == expected


def test_letters_of_one_client_to_many_are_limited(app):
    """C15"""
    others = iter(range(21))
    client = with_view(app, table.letters("letter", lambda: f"{next(others)}@example.com"))
    assert [ask(client).status_code for _ in range(21)] == [200] * 20 + [429]


# Whose hits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:4711", "192.0.2.7"),
        (" 192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::1]:443", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::1]", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("unknown", "unknown"),
        ("", ""),
    ],
    ids=lambda text: text or "empty",
)
def test_an_address_counts_for_the_network_of_one_client(address, counted):
    """B5"""
    assert network(address) == counted


def test_the_addresses_of_one_ipv6_network_count_together(app):
    """B5"""
    client = with_view(app, narrow(2))
    answers = [ask(client, f"2001:db8:1:2::{n}").status_code for n in range(1, 4)]
    assert (answers, ask(client, "2001:db8:1:3::1").status_code) == ([200, 200, 429], 200)


SPOOFED = [f"203.0.113.{n}" for n in range(3)]


@pytest.mark.parametrize(
    ("hops", "chain", "passes"),
    [
        (0, "{spoofed}", [200, 200, 429]),
        (0, "{spoofed}, 198.51.100.1", [200, 200, 429]),
        (1, "{spoofed}, 198.51.100.1", [200, 200, 429]),
        (1, "{spoofed}", [200, 200, 200]),
        (2, "{spoofed}, 198.51.100.1, 198.51.100.9", [200, 200, 429]),
        (2, "198.51.100.1, {spoofed}", [200, 200, 429]),
        (2, "{spoofed}", [200, 200, 429]),
        (2, "198.51.100.1, {spoofed}, 198.51.100.9", [200, 200, 200]),
    ],
)
def test_what_a_client_writes_into_x_forwarded_for_is_ignored(make_app, hops, chain, passes):
    """B5: only the address that the n-th proxy from the right has written counts, and none without such proxies."""
    client = with_view(make_app(ratelimit_enabled=True, trusted_proxy_hops=hops), narrow(2))
    headers = [{"X-Forwarded-For": chain.format(spoofed=address)} for address in SPOOFED]
    assert [ask(client, headers=each).status_code for each in headers] == passes


def test_two_clients_behind_a_proxy_count_apart(make_app):
    """B5"""
    client = with_view(make_app(ratelimit_enabled=True, trusted_proxy_hops=1), narrow(1))
    answers = [ask(client, headers={"X-Forwarded-For": f"198.51.100.{n}"}).status_code for n in (1, 1, 2)]
    assert answers == [200, 429, 200]


def test_every_person_and_every_visitor_of_a_key_counts_apart(app):
    keys = []
    with app.test_request_context():
        for user_id, visitor in (("a", ""), ("b", ""), ("a", "one"), ("a", "two")):
            g.caller = SimpleNamespace(user_id=user_id, visitor=visitor)
            keys.append(by_caller())
    assert len(set(keys)) == 4


@pytest.mark.parametrize(("decorator", "amount"), [("export", 10), ("send", 3)])
def test_what_a_person_may_ask_is_counted_wherever_they_are(make_app, decorator, amount):
    app = make_app(ratelimit_enabled=True, chat_rate_limit_per_minute=3)
    client = with_view(app, getattr(table, decorator), signed_in)
    ada, bob = sign_up(app, "ada"), sign_up(app, "bob")
    answers = [ask(client, f"192.0.2.{n}", headers=ada.headers).status_code for n in range(amount + 1)]
    assert answers == [200] * amount + [429]
    assert ask(client, headers=bob.headers).status_code == 200


def test_password_resets_are_limited_for_an_address(app):
    client = with_view(app, table.password_reset)
    assert [ask(client).status_code for _ in range(21)] == [200] * 20 + [429]


# On Redis -----------------------------------------------------------------------------------------------------------


def test_no_address_and_no_name_lies_in_redis(make_app, redis_server):
    app = make_app(ratelimit_enabled=True, redis_url=redis_server)
    server = redis_client.from_url(redis_server)
    before = set(server.keys("*"))
    client = with_view(app, table.letters("letter", lambda: "ada@example.com"))
    assert ask(client, "192.0.2.77").status_code == 200
    written = {key.decode() for key in set(server.keys("*")) - before}
    assert {key.rpartition(":")[0] for key in written} == {
        "limits:letter:account",
        "limits:letter:ip",
        "limits:letter:global",
    }
    assert not any(secret in key for key in written for secret in ("ada@", "example", "192.0.2"))
    assert all(0 < server.ttl(key) <= 6 * 3600 for key in written)


def test_two_processes_of_one_secret_count_together(make_app, redis_server):
    """N2"""
    clients = [with_view(make_app(ratelimit_enabled=True, redis_url=redis_server), narrow(2)) for _ in range(2)]
    assert [ask(clients[n % 2]).status_code for n in range(3)] == [200, 200, 429]
