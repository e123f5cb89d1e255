"""Counting tokens and prices, with the network shut."""

from __future__ import annotations

import hashlib
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot.rag.llm import pricing
from chatbot.rag.text import tokens


@pytest.fixture(autouse=True)
def network(monkeypatch, tmp_path) -> list[tuple]:
    """Every attempt to reach the network fails and is written down."""
    attempts: list[tuple] = []

    def refuse(*args):
        attempts.append(args)
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    tokens._encoding.cache_clear()
    yield attempts
    tokens._encoding.cache_clear()


@pytest.mark.parametrize(
    ("text", "about"), [("", 0), ("a", 1), ("four", 1), ("fours", 2), ("日本語", 3), ("a日", 2), ("👋", 1)]
)
def test_four_plain_characters_or_one_other_are_estimated_as_a_token(text, about):
    assert tokens.estimate_tokens(text) == about


@given(st.text(max_size=200), st.text(max_size=200))
def test_a_longer_text_is_never_estimated_shorter(one, other):
    assert tokens.estimate_tokens(one) <= tokens.estimate_tokens(one + other)


def test_without_a_vocabulary_tokens_are_estimated_and_nobody_is_asked(network):
    assert tokens.count_tokens("Hello there, you!") == tokens.estimate_tokens("Hello there, you!")
    assert network == []


@pytest.mark.parametrize("content", [b"", b"damaged", b"IQ== 0\nIg== 1\n"])
def test_with_a_damaged_vocabulary_tokens_are_estimated_and_nobody_is_asked(network, content):
    path = tokens._cached_vocabulary()
    path.write_bytes(content)

    assert tokens.count_tokens("Hello there") == 3

    assert network == []
    assert path.read_bytes() == content


def test_a_vocabulary_that_cannot_be_read_is_none(network):
    tokens._cached_vocabulary().mkdir()
    assert tokens.count_tokens("Hello there") == 3
    assert network == []


def test_an_intact_vocabulary_counts_exactly(monkeypatch, network):
    """The real file has 1.7 MB, so a small one of the same format is declared to be the right one."""
    import tiktoken
    from tiktoken_ext import openai_public

    from tests.rag.vocabulary import SMALL

    digest = hashlib.sha256(SMALL).hexdigest()
    load = openai_public.load_tiktoken_bpe
    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", lambda url, **_: load(url, digest))
    monkeypatch.setattr(tokens, "_VOCABULARY_SHA256", digest)
    monkeypatch.setattr(tiktoken.registry, "ENCODINGS", {})
    tokens._cached_vocabulary().write_bytes(SMALL)

    assert tokens.count_tokens("aaaa<|endoftext|>") == 15
    assert network == []


@pytest.mark.parametrize(
    ("model", "price"),
    [
        ("gpt-3.5-turbo", "0.003500"),
        ("gpt-4o-mini", "0.000750"),
        ("extractive", None),
        ("my-own/model", None),
        ("", None),
    ],
)
def test_a_call_costs_what_the_table_says_or_nothing_is_said(model, price):
    assert tokens.cost_usd(model, 1000, 1000) == price


def test_a_call_without_tokens_costs_nothing():
    assert tokens.cost_usd("gpt-4o", 0, 0) == "0.000000"


@pytest.mark.parametrize(
    ("model", "price"), [("text-embedding-3-small", "0.020000"), ("text-embedding-3-large", "0.130000"), ("mine", None)]
)
def test_the_price_of_embedding_a_million_tokens(model, price):
    assert pricing.embedding_cost_usd(model, 1_000_000) == price
