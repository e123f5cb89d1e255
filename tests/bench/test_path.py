"""The path of a streamed answer is counted as it is, and does not grow."""

from __future__ import annotations

import pytest

from bench import path


@pytest.fixture(scope="module")
def found() -> path.Path:
    return path.measure()


def test_path_of_streamed_answer_names_files_generators_and_shapes(found: path.Path) -> None:
    assert {"rag/chain.py", "web/streaming/sse.py", "chat/replies/reply.py"} <= found.files
    assert all(found.yields[name] * 2 >= found.tokens for name in found.generators)
    assert "web/streaming/sse.py: _bytes" in found.generators
    assert not [name for name in found.generators if "<genexpr>" in name]
    assert "bytes" in found.shapes


@pytest.mark.parametrize("what", path.LIMIT)
def test_path_of_streamed_answer_is_not_longer_than_its_limit(found: path.Path, what: str) -> None:
    assert len(found.found[what]) <= path.LIMIT[what], found.found[what]


@pytest.mark.parametrize("what", ["generators", "shapes"])
def test_limit_of_generators_and_shapes_is_within_the_aim(what: str) -> None:
    assert path.LIMIT[what] <= path.AIM[what]
