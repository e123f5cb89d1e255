"""Embedders: the local one, and OpenAI's against a scripted server."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from chatbot.config import LOCAL_EMBEDDER, load_settings
from chatbot.rag.embeddings import embedders as embedders_module
from chatbot.rag.embeddings.embedders import Embedders, LangChainEmbeddings, LocalEmbedder, OpenAIEmbedder
from chatbot.rag.errors import BadEmbeddings, EmbedderMisconfigured, EmbedderUnavailable
from tests.openai_server import DIMENSION, OpenAIServer, vector_of

KEY = "sk-canary-0123456789"


@pytest.fixture
def make_settings(tmp_path, models_path):
    def make(**overrides):
        return load_settings(_env_file=None, instance_path=tmp_path, models_path=models_path, **overrides)

    return make


@pytest.fixture
def embedder(make_settings, openai_server: OpenAIServer):
    """An embedder of a model whose name is the server's behaviour."""

    def make(model: str) -> OpenAIEmbedder:
        wait = {"model_connect_seconds": 0.5, "model_read_seconds": 0.3}
        return OpenAIEmbedder(model, make_settings(openai_api_key=KEY, openai_base_url=openai_server.base_url, **wait))

    return make


def test_vectors_come_in_the_order_of_the_texts_with_length_one(embedder):
    texts = ["the shop", "the refund", "the shop"]
    vectors = embedder("answers").embed(texts)
    assert vectors.shape == (3, DIMENSION)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    expected = np.array(vector_of("the refund"))
    assert np.allclose(vectors[1], expected / np.linalg.norm(expected), atol=1e-6)


def test_a_service_that_knows_no_base64_is_understood(embedder):
    assert np.array_equal(embedder("lists").embed(["one", "two"]), embedder("answers").embed(["one", "two"]))


def test_no_texts_ask_nobody(embedder, openai_server):
    assert len(embedder("answers").embed([])) == 0
    assert openai_server.requests == []


def test_many_texts_go_in_batches(embedder, openai_server):
    assert embedder("answers").embed([f"text {n}" for n in range(300)]).shape == (300, DIMENSION)
    assert [len(seen.body["input"]) for seen in openai_server.requests] == [128, 128, 44]


def refuses_more(server: OpenAIServer, most: int, status: int, message: str, length: bool = False) -> None:
    """Refuses requests of more than so many texts; with `length`, of more than so many characters in all."""

    def is_more(body: dict[str, Any]) -> bool:
        return (sum(map(len, body["input"])) if length else len(body["input"])) > most

    server.refuse("small", status, {"error": {"message": message}}, is_more)


def sizes(server: OpenAIServer) -> list[int]:
    return [len(seen.body["input"]) for seen in server.requests]


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (413, "batch size 60 > maximum allowed batch size 32"),
        (400, "batch size is invalid, it should not be larger than 32."),
        (422, "at most 32 texts can be embedded at once"),
    ],
)
def test_batch_that_is_too_large_is_halved_and_remembered(embedder, openai_server, status, message):
    openai_server.behave("small", "answers")
    refuses_more(openai_server, 32, status, message)
    texts, made = [f"text {n}" for n in range(60)], embedder("small")

    assert np.array_equal(made.embed(texts), embedder("answers").embed(texts))
    assert sizes(openai_server)[:3] == [60, 30, 30]
    made.embed(texts)
    assert sizes(openai_server)[-2:] == [30, 30]


def test_batch_that_has_too_many_tokens_is_halved_this_time_only(embedder, openai_server):
    openai_server.behave("small", "answers")
    refuses_more(openai_server, 100, 400, "The max allowed tokens per submitted batch is 25", length=True)
    made = embedder("small")

    assert len(made.embed(["word " * 10] * 4)) == 4
    assert len(made.embed(["short"] * 10)) == 10
    assert sizes(openai_server) == [4, 2, 2, 10]


def test_text_that_is_too_long_for_the_service_loses_its_tail(embedder, openai_server):
    openai_server.behave("small", "answers")
    refuses_more(openai_server, 100, 413, "`inputs` must have less than 26 tokens. Given: 100", length=True)

    (vector,) = embedder("small").embed(["shop " * 70])

    assert vector @ embedder("answers").embed(["shop " * 10])[0] == pytest.approx(1, abs=1e-2)
    assert [len(seen.body["input"][0]) for seen in openai_server.requests][:3] == [350, 175, 87]


@pytest.mark.parametrize("status", [400, 413])
def test_service_that_takes_no_size_at_all_refuses_us(embedder, openai_server, status):
    openai_server.refuse("small", status, {"error": {"message": "batch size too large"}})

    with pytest.raises(EmbedderMisconfigured):
        embedder("small").embed(["one", "two"])
    assert len(openai_server.requests) < 20


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, {"message": "encoding_format: base64 is not supported"}),
        (422, {"message": "only float is supported, not base64"}),
    ],
)
def test_vectors_are_asked_for_as_numbers_where_base64_is_refused(embedder, openai_server, status, error):
    openai_server.behave("small", "answers")
    openai_server.refuse("small", status, {"error": error}, lambda body: body.get("encoding_format") == "base64")
    made = embedder("small")

    assert np.array_equal(made.embed(["one"]), embedder("answers").embed(["one"]))
    made.embed(["two"])
    asked = [seen.body["encoding_format"] for seen in openai_server.requests if seen.model == "small"]
    assert asked == ["base64", "float", "float"]


@pytest.mark.parametrize("status", [400, 402, 403, 404, 405, 413, 422])
def test_refused_requests_open_no_breaker(embedder, openai_server, status):
    openai_server.refuse("small", status, {"error": {"message": "not like this"}})
    openai_server.behave("small", "answers")
    made = embedder("small")
    for _ in range(6):
        with pytest.raises(EmbedderMisconfigured):
            made.embed(["one"])
    openai_server._refusals.clear()

    assert made.embed(["one"]).shape == (1, DIMENSION)


def test_vectors_in_another_order_are_put_in_the_order_of_the_texts(embedder, openai_server):
    texts = ["the shop", "the refund", "the door"]
    assert np.array_equal(embedder("backwards").embed(texts), embedder("answers").embed(texts))


@pytest.mark.parametrize("behaviour", ["too-few", "ragged", "nan", "zero"])
def test_vectors_that_would_poison_the_index_are_refused(embedder, behaviour):
    """L10"""
    with pytest.raises(BadEmbeddings):
        embedder(behaviour).embed(["one", "two"])


SICK = ["http-500", "http-502", "http-503", "429-for-ever", "html", "hang", "no-data", "no-base64"]


@pytest.mark.parametrize("behaviour", SICK)
def test_a_service_that_is_not_itself_is_unavailable_after_one_request(embedder, openai_server, behaviour):
    """L2, L6, L12: waiting is the ingestion's business, so nothing is repeated here."""
    with pytest.raises(EmbedderUnavailable) as caught:
        embedder(behaviour).embed(["one"])
    assert caught.value.retry_after
    assert len(openai_server.requests) == 1


@pytest.mark.parametrize("behaviour", ["http-400", "http-401", "http-403", "http-404", "context-length"])
def test_a_service_that_refuses_us_is_misconfigured_and_the_key_is_not_told(embedder, behaviour):
    """L3"""
    with pytest.raises(EmbedderMisconfigured) as caught:
        embedder(behaviour).embed(["one"])
    assert KEY not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_redirect_is_not_followed(embedder, openai_server):
    """L12"""
    with pytest.raises((EmbedderUnavailable, EmbedderMisconfigured)):
        embedder("redirect").embed(["one"])
    assert [seen.path for seen in openai_server.requests] == ["/v1/embeddings"]


def test_a_service_that_is_not_there_is_unavailable(make_settings, openai_server):
    """L5"""
    openai_server.close()
    settings = make_settings(openai_api_key=KEY, openai_base_url=openai_server.base_url)
    with pytest.raises(EmbedderUnavailable):
        OpenAIEmbedder("answers", settings).embed(["one"])


def test_without_a_key_the_service_is_misconfigured(make_settings):
    with pytest.raises(EmbedderMisconfigured):
        OpenAIEmbedder("text-embedding-3-small", make_settings()).embed(["one"])


def test_a_mistake_of_ours_is_not_called_the_providers(make_settings, monkeypatch):
    def broken(*_args):
        raise LookupError("a bug")

    monkeypatch.setattr(embedders_module, "_openai_client", broken)
    with pytest.raises(LookupError):
        OpenAIEmbedder("m", make_settings(openai_api_key=KEY)).embed(["one"])


@pytest.mark.parametrize("rows", [[["a"]], [[{}]], [1.0], [], [[None, 1.0]], [[float("inf"), 1.0]], [[1.0], [1.0]]])
def test_anything_but_one_row_of_numbers_a_text_is_refused(rows):
    with pytest.raises(BadEmbeddings):
        embedders_module._checked(rows, 1)


def test_openai_tokens_are_estimated(embedder):
    assert embedder("answers").count_tokens("four four") == 3


def test_the_configured_embedder_is_the_local_one_without_a_key_and_openais_with_one(make_settings):
    assert isinstance(_default(make_settings()), LocalEmbedder)
    assert _default(make_settings(openai_api_key=KEY)).name == "text-embedding-3-small"
    assert _default(make_settings(openai_api_key=KEY, embedding_model=LOCAL_EMBEDDER)).name == LOCAL_EMBEDDER


def _default(settings):
    embedders = Embedders(settings)
    return embedders.get(embedders.default)


def test_an_embedder_is_made_once(make_settings):
    embedders = Embedders(make_settings())
    assert embedders.get("a") is embedders.get("a")
    assert embedders.get("a") is not embedders.get("b")


def test_the_local_embedder_puts_meaning_near_its_question(make_settings):
    local = LocalEmbedder(make_settings())
    question, answer, other = local.embed(["When is it open?", "The shop opens at nine.", "Ducks eat grass."])
    assert question @ answer > question @ other
    assert local.count_tokens("The shop opens") == 3


def test_many_threads_load_one_model(make_settings, monkeypatch, tmp_path):
    made = []

    class Counted:
        def __init__(self, cache_dir):
            made.append(cache_dir)

        def count_tokens(self, text):
            return len(text)

    monkeypatch.setattr(embedders_module, "MiniLM", Counted)
    monkeypatch.setattr(embedders_module, "_models", {})
    local = LocalEmbedder(make_settings())
    threads = [threading.Thread(target=local.count_tokens, args=("x",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


class TestLangChainsFace:
    def test_documents_and_questions_are_lists_of_numbers(self, embedder):
        face = LangChainEmbeddings(embedder("answers"))
        assert face.embed_documents(["a"])[0] == pytest.approx(face.embed_query("a"))
        assert face.query_vector("a").shape == (1, DIMENSION)

    def test_a_question_that_was_met_before_is_not_embedded_again(self, embedder, openai_server):
        face = LangChainEmbeddings(embedder("answers"))
        first = face.query_vector("a question")
        assert np.array_equal(face.query_vector("a question"), first)
        assert len(openai_server.requests) == 1

    def test_a_failure_is_not_remembered(self, embedder, openai_server):
        openai_server.behave("flaky", "http-500", "answers")
        face = LangChainEmbeddings(embedder("flaky"))
        with pytest.raises(EmbedderUnavailable):
            face.query_vector("a question")
        assert face.query_vector("a question").shape == (1, DIMENSION)


def test_the_vector_of_a_question_is_asked_for_once_by_all_processes(make_settings, openai_server, redis_server):
    """Each embedder stands for a process."""
    settings = make_settings(openai_api_key=KEY, openai_base_url=openai_server.base_url, redis_url=redis_server)
    one, other = OpenAIEmbedder("answers", settings), OpenAIEmbedder("answers", settings)
    assert np.array_equal(one.embed(["the shop"]), other.embed(["the shop"]))
    assert len(openai_server.requests) == 1
    another = OpenAIEmbedder("another", settings)
    openai_server.behave("another", "answers")
    another.embed(["the shop"])
    other.embed(["the refund"])
    assert len(openai_server.requests) == 3


@pytest.mark.parametrize("kept", [b"", b"null", b'"x"', b"[]", b"[0.0, 0.0]", b"[NaN, 1.0]"])
def test_a_kept_vector_that_cannot_be_used_is_not(make_settings, openai_server, redis_server, monkeypatch, kept):
    """N13, L10"""
    monkeypatch.setattr(embedders_module.Cache, "get", lambda *_args: kept)
    settings = make_settings(openai_api_key=KEY, openai_base_url=openai_server.base_url, redis_url=redis_server)
    assert OpenAIEmbedder("answers", settings).embed(["the shop"]).shape == (1, DIMENSION)


def test_with_redis_away_the_service_is_asked_each_time(make_settings, openai_server):
    """N2"""
    away = make_settings(openai_api_key=KEY, openai_base_url=openai_server.base_url, redis_url="redis://127.0.0.1:1/0")
    embedder = OpenAIEmbedder("answers", away)
    assert [embedder.embed(["the shop"]).shape for _ in range(2)] == [(1, DIMENSION)] * 2
    assert len(openai_server.requests) == 2
