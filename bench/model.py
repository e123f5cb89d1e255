"""A scripted model server for all measurements: one process, OpenAI's protocol, and next to no time of its own.

    python -m bench.model

It prints the port that it listens on. Chats: 50 tokens, `piece0~ ` to `piece49~ `, 100 a second after the first 200
ms, whether they are streamed or not. Embeddings: a hashed bag of words of 384 dimensions, or as many as are asked for,
the same in every process; texts that share words are near.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import numpy as np

FIRST_TOKEN, TOKENS, PER_SECOND = 0.2, 50, 100
# What a whole answer takes.
NOMINAL = FIRST_TOKEN + (TOKENS - 1) / PER_SECOND
DIMENSION = 384
# How many positions of a vector a word has.
PLACES = 4
WORD = re.compile(r"\w+")
KEY, EMBEDDER = "sk-bench", "text-embedding-3-small"


def piece(number: int) -> str:
    """The text of a token, which stands nowhere else."""
    return f"piece{number}~ "


def embed(text: str, dimension: int = DIMENSION) -> np.ndarray:
    """The unit vector of a text."""
    words = set(WORD.findall(text.lower())) or {""}
    vector = np.sum([_vector(word, dimension) for word in words], axis=0)
    if not vector.any():
        vector = _vector("", dimension)
    unit: np.ndarray = vector / np.linalg.norm(vector)
    return unit


@cache
def _vector(word: str, dimension: int) -> np.ndarray:
    digest, vector = hashlib.sha256(word.encode()).digest(), np.zeros(dimension, dtype=np.float32)
    for start in range(0, 4 * PLACES, 4):
        number = int.from_bytes(digest[start : start + 4], "little")
        vector[(number >> 1) % dimension] += 1 if number & 1 else -1
    return vector


def packed(vector: np.ndarray) -> str:
    """A vector as OpenAI's client asks for it."""
    return base64.b64encode(vector.tobytes()).decode()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, asyncio.IncompleteReadError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            begin = time.perf_counter()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            asked = json.loads(await reader.readexactly(length))
            if b"/embeddings" in head.partition(b"\r\n")[0]:
                _whole(writer, _embeddings(asked))
            elif asked.get("stream"):
                await _stream(writer, begin)
            else:
                await asyncio.sleep(begin + NOMINAL - time.perf_counter())
                _whole(writer, _answer())
            await writer.drain()
    writer.close()


def _embeddings(asked: dict[str, Any]) -> dict[str, object]:
    texts = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
    rows = [embed(text, asked.get("dimensions") or DIMENSION) for text in texts]
    shown = [packed(row) if asked.get("encoding_format") == "base64" else row.tolist() for row in rows]
    items = [{"object": "embedding", "index": n, "embedding": row} for n, row in enumerate(shown)]
    return {"object": "list", "model": EMBEDDER, "data": items, "usage": {"prompt_tokens": 9, "total_tokens": 9}}


def _answer() -> dict[str, object]:
    said = {"role": "assistant", "content": "".join(map(piece, range(TOKENS)))}
    taken = {"prompt_tokens": 9, "completion_tokens": TOKENS, "total_tokens": 9 + TOKENS}
    choice = {"index": 0, "message": said, "finish_reason": "stop"}
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "scripted",
        "choices": [choice],
        "usage": taken,
    }


def _whole(writer: asyncio.StreamWriter, payload: dict[str, object]) -> None:
    body = json.dumps(payload).encode()
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


async def _stream(writer: asyncio.StreamWriter, begin: float) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    for n in range(TOKENS):
        await asyncio.sleep(max(0.0, begin + FIRST_TOKEN + n / PER_SECOND - time.perf_counter()))
        writer.write(_event({"choices": [{"index": 0, "delta": {"role": "assistant", "content": piece(n)}}]}))
    writer.write(_event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
    taken = {"prompt_tokens": 9, "completion_tokens": TOKENS, "total_tokens": 9 + TOKENS}
    writer.write(_event({"choices": [], "usage": taken}) + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")


def _event(payload: dict[str, object]) -> bytes:
    told = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "scripted"} | payload
    return _chunk(b"data: " + json.dumps(told).encode() + b"\n\n")


def _chunk(told: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(told), told)


async def _listen() -> None:
    # A request of many texts has a long body.
    server = await asyncio.start_server(_serve, "127.0.0.1", 0, backlog=2048, limit=2**20)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def model_server() -> Iterator[int]:
    """The server in a process of its own; gives its port."""
    with subprocess.Popen([sys.executable, "-m", "bench.model"], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            yield int(process.stdout.readline())
        finally:
            process.kill()


def settings(port: int) -> dict[str, str]:
    """What the application, or OpenAI's client, is told about it."""
    return {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1"}


if __name__ == "__main__":
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with suppress(KeyboardInterrupt):
        asyncio.run(_listen())
