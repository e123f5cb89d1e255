"""Chats at once: how many a second, how soon the first token comes, and what each costs.

    python -m bench.load [USERS ...]

A scripted model in a process of its own gives its first token after 200 ms and 50 tokens, 100 a second. Users ask it
directly, and through send/ of a real gunicorn with two processes, 10,000 chunks, the local embedder, accounts and
stored history. Each user sends one question after the other for eight seconds; of 1,000 each sends one. Everything
runs on the same cores, so look at the ratios, and at how busy the machine is with other things.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.house import access_token, gunicorn, house, quantiles
from bench.search import fill, vectors

FIRST_TOKEN, TOKENS, PER_SECOND = 0.2, 50, 100
SECONDS, CROWD, PATIENCE = 8.0, 1_000, 120
NOMINAL = FIRST_TOKEN + (TOKENS - 1) / PER_SECOND
BODY = json.dumps({"message": "What does the manual say about the valve?", "stream": True}).encode()


@dataclass
class Run:
    """What users have seen: seconds until the first token and until the end, and what was no answer."""

    first: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)
    lost: int = 0


# The model ----------------------------------------------------------------------------------------------------------


async def _model(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, asyncio.IncompleteReadError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            begin = time.perf_counter()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            for n in range(TOKENS):
                await asyncio.sleep(max(0.0, begin + FIRST_TOKEN + n / PER_SECOND - time.perf_counter()))
                delta = {"role": "assistant", "content": f"piece{n}~ "}
                writer.write(_event({"choices": [{"index": 0, "delta": delta}]}))
            writer.write(_event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
            taken = {"prompt_tokens": 9, "completion_tokens": TOKENS, "total_tokens": 9 + TOKENS}
            writer.write(_event({"choices": [], "usage": taken}) + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
            await writer.drain()
    writer.close()


def _event(payload: dict[str, object]) -> bytes:
    told = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "scripted"} | payload
    return _chunk(b"data: " + json.dumps(told).encode() + b"\n\n")


def _chunk(told: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(told), told)


async def _serve_model() -> None:
    server = await asyncio.start_server(_model, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def _model_server() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-m", "bench.load", "model"], stdout=subprocess.PIPE)
    try:
        assert process.stdout
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


# The users ----------------------------------------------------------------------------------------------------------


async def _ask(port: int, request: bytes, run: Run) -> None:
    begin, first, heard = time.perf_counter(), None, b""
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(request)
                while not heard.endswith(b"0\r\n\r\n") and (data := await reader.read(65536)):
                    heard += data
                    if first is None and b"piece0~" in heard:
                        first = time.perf_counter() - begin
            finally:
                writer.close()
    except (OSError, TimeoutError):
        pass
    if first is None or f"piece{TOKENS - 1}~".encode() not in heard:
        run.lost += 1
        return
    run.first.append(first)
    run.total.append(time.perf_counter() - begin)


async def _user(port: int, request: bytes, run: Run, until: float) -> None:
    await _ask(port, request, run)
    while time.perf_counter() < until:
        await _ask(port, request, run)


async def _users(port: int, request: bytes, count: int) -> Run:
    run, until = Run(), time.perf_counter() + (SECONDS if count < CROWD else 0)
    await asyncio.gather(*(_user(port, request, run, until) for _ in range(count)))
    return run


def _request(path: str, body: bytes, token: str = "") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


# The figures --------------------------------------------------------------------------------------------------------


def _server_cpu() -> float:
    """The seconds that gunicorn's processes have computed (Linux)."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            parents[int(path.parent.name)] = (int(fields[1]), sum(map(int, fields[11:13])))
    ours = {pid for pid, (parent, _) in parents.items() if parent == os.getpid() and _is_gunicorn(pid)}
    ticks = sum(spent for pid, (parent, spent) in parents.items() if pid in ours or parent in ours)
    return ticks / os.sysconf("SC_CLK_TCK")


def _is_gunicorn(pid: int) -> bool:
    return b"gunicorn" in Path(f"/proc/{pid}/cmdline").read_bytes()


def _measure(name: str, port: int, request: bytes, count: int) -> None:
    cpu, begin = _server_cpu(), time.perf_counter()
    run = asyncio.run(_users(port, request, count))
    seconds, spent = time.perf_counter() - begin, _server_cpu() - cpu
    done = max(1, len(run.total))
    if not run.total:
        print(f"{name:14}{count:7}   nothing was answered, {run.lost} lost", flush=True)
        return
    (first, first99), (over, over99) = quantiles(run.first), quantiles([total - NOMINAL for total in run.total])
    print(
        f"{name:14}{count:7}{done:8}{run.lost:6}{done / seconds:9.1f}{first:11.0f}{first99:8.0f}"
        f"{over:11.0f}{over99:8.0f}{1000 * spent / done:9.1f}",
        flush=True,
    )


def main(counts: list[int] | None = None) -> None:
    """Prints a line for the model itself and one for send/ with each number of users."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with _model_server() as model_port, house() as app:
        fill(app, vectors(10_000))
        token = access_token(app)
        address = f"http://127.0.0.1:{model_port}/v1"
        model = {"OPENAI_API_KEY": "sk-bench", "OPENAI_BASE_URL": address, "EMBEDDING_MODEL": "all-MiniLM-L6-v2"}
        print(
            f"\n{TOKENS} tokens after {FIRST_TOKEN} s at {PER_SECOND}/s, 10,000 chunks, two web processes, times in ms"
        )
        print(f"{'':14}{'users':>7}{'whole':>8}{'lost':>6}{'chats/s':>9}{'first p50':>11}{'p99':>8}"
              f"{'added p50':>11}{'p99':>8}{'CPU':>9}")  # fmt: skip
        with gunicorn(app, WEB_CONCURRENCY="2", RATELIMIT_ENABLED="false", **model) as port:
            asyncio.run(_users(port, _request("/api/chat/send/", BODY, token), 4))
            for count in counts or [1, 50, 200, CROWD]:
                _measure("the model", model_port, _request("/v1/chat/completions", b'{"stream": true}'), count)
                _measure("send/", port, _request("/api/chat/send/", BODY, token), count)


if __name__ == "__main__":
    if sys.argv[1:] == ["model"]:
        asyncio.run(_serve_model())
    else:
        main([int(count) for count in sys.argv[1:]])
