"""The path of a streamed answer is counted as it is."""

from __future__ import annotations

from bench import path


def test_path_of_streamed_answer_names_files_generators_and_shapes() -> None:
    found = path.measure()
    assert {"rag/chain.py", "web/streaming/sse.py", "chat/replies/reply.py"} <= found.files
    assert all(found.yields[name] >= found.tokens for name in found.generators)
    assert "web/streaming/sse.py: _bytes" in found.generators
    assert not [name for name in found.generators if "<genexpr>" in name]
    assert "bytes" in found.shapes
