"""What models do wrong, in the client's words."""

from __future__ import annotations

from types import SimpleNamespace

import httpx2
import pytest

from chatbot.rag import errors

CANARY = "sk-test-canary-0123456789abcdef"


def refused(retry_after: str | None) -> Exception:
    error = Exception("Too many requests.")
    headers = {} if retry_after is None else {"retry-after": retry_after}
    error.response = SimpleNamespace(headers=headers)  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("2", 2),
        ("0", 1),
        ("0.2", 1),
        ("3600", 30),
        (None, None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
    ],
)
def test_the_wait_a_provider_asks_for_is_read_and_bounded(header: str | None, seconds: int | None) -> None:
    """L1"""
    assert errors.retry_after(refused(header)) == seconds


def test_the_wait_is_found_on_the_cause_as_well() -> None:
    outer = Exception("wrapped")
    outer.__cause__ = refused("3")

    assert errors.retry_after(outer) == 3


def test_what_a_provider_says_never_passes() -> None:
    """L3"""
    told = errors.translate(ValueError(f"bad key {CANARY}"))

    assert isinstance(told, errors.ModelUnavailable)
    assert CANARY not in str(told)
    assert told.retry_after == 5


def test_an_error_in_our_words_stays_as_it_is() -> None:
    error = errors.ModelTimeout()

    assert errors.translate(error) is error


def test_a_bare_time_out_of_the_client_is_a_time_out() -> None:
    assert isinstance(errors.translate(httpx2.ReadTimeout("slow")), errors.ModelTimeout)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.ModelMisconfigured(), errors.EmbedderMisconfigured),
        (errors.QuestionTooLong(), errors.EmbedderMisconfigured),
        (errors.ModelTimeout(), errors.EmbedderUnavailable),
        (httpx2.ConnectError("refused"), errors.EmbedderUnavailable),
        (errors.BadEmbeddings(), errors.BadEmbeddings),
    ],
)
def test_the_same_faults_of_an_embedding_service_have_its_own_names(error: Exception, kind: type[Exception]) -> None:
    assert type(errors.translate_embedding(error)) is kind


def test_a_mistake_of_ours_is_not_the_providers() -> None:
    assert not errors.is_provider_error(KeyError("ours"))
    assert errors.is_provider_error(httpx2.ConnectError("theirs"))


def test_only_what_may_pass_is_tried_again() -> None:
    assert errors.may_pass(httpx2.ConnectError("refused"))
    assert not errors.may_pass(errors.ModelTimeout())
    assert not errors.may_pass(errors.ModelMisconfigured())
