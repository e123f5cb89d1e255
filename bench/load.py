"""Chats at once: how many a second, how soon the first token comes, and what each costs.

    python -m bench.load [--embeddings model|local] [USERS ...]

A scripted model (bench/model.py) in a process of its own gives its first token after 200 ms and 50 tokens, 100 a
second. Users ask it directly, and through send/ of a real gunicorn with two processes, 10,000 chunks, accounts and
stored history; questions are embedded by the model's server, or by the local embedder. Each user sends one question
after the other for eight seconds, each question another one than the one before; of 1,000 users each sends one.
Everything runs on the same cores, so look at the ratios, and at how busy the machine is with other things.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import re
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bench import model
from bench.model import FIRST_TOKEN, NOMINAL, PER_SECOND, TOKENS, model_server, piece
from bench.processes import below, cpu
from bench.search import fill, vectors
from bench.temp_app import access_token, gunicorn, quantiles, temp_app
from chatbot.config import LOCAL_EMBEDDER

SECONDS, CROWD, PATIENCE = 8.0, 1_000, 120
FIRST, LAST = piece(0).strip().encode(), piece(TOKENS - 1).strip().encode()
# So many different questions, over and over: more than a process remembers the vectors of.
QUESTIONS = 1_000


@dataclass
class Run:
    """What users have seen: seconds until the first token and until the end, and what was no answer."""

    first: list[float] = field(default_factory=list)
    total: list[float] = field(default_factory=list)
    lost: int = 0
    # What was told instead of an answer, and how often.
    why: Counter[str] = field(default_factory=Counter)


# The users ----------------------------------------------------------------------------------------------------------


async def _ask(port: int, request: bytes, run: Run) -> None:
    begin, first, heard, why = time.perf_counter(), None, b"", ""
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(request)
                while not heard.endswith(b"0\r\n\r\n") and (data := await reader.read(65536)):
                    heard += data
                    if first is None and FIRST in heard:
                        first = time.perf_counter() - begin
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        why = type(error).__name__
    if first is None or LAST not in heard:
        run.lost += 1
        run.why[" ".join([why, *_told(heard)])] += 1
        return
    run.first.append(first)
    run.total.append(time.perf_counter() - begin)


def _told(heard: bytes) -> list[str]:
    """The status of an answer that was none, and the codes of the errors in it."""
    status = heard[:64].split(b" ")[1:2] or [b"silence"]
    return [part.decode() for part in (*status, *re.findall(rb'"code": ?"(\w+)"', heard))]


async def _user(port: int, requests: Iterator[bytes], run: Run, until: float) -> None:
    await _ask(port, next(requests), run)
    while time.perf_counter() < until:
        await _ask(port, next(requests), run)


async def _users(port: int, requests: Iterator[bytes], count: int, seconds: float) -> Run:
    run, until = Run(), time.perf_counter() + (seconds if count < CROWD else 0)
    await asyncio.gather(*(_user(port, requests, run, until) for _ in range(count)))
    return run


def ask(port: int, requests: Iterator[bytes], count: int, seconds: float = SECONDS) -> Run:
    """Lets so many users ask until the time is over; of a crowd each asks once."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return asyncio.run(_users(port, requests, count, seconds))


def request(path: str, body: object, token: str = "") -> bytes:
    """A POST as it goes over the wire."""
    told = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Authorization: Bearer {token}\r\nContent-Length: {len(told)}\r\n\r\n".encode() + told


# The figures --------------------------------------------------------------------------------------------------------


def _measure(name: str, port: int, requests: Iterator[bytes], count: int) -> None:
    spent, begin = cpu(below(os.getpid(), "gunicorn")), time.perf_counter()
    run = ask(port, requests, count)
    seconds, spent = time.perf_counter() - begin, cpu(below(os.getpid(), "gunicorn")) - spent
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
    for why, lost in run.why.most_common(3):
        print(f"{'':27}{lost} lost: {why}", flush=True)


def main(given: Sequence[str] = ()) -> None:
    """Prints a line for the model itself and one for send/ with each number of users."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description="Chats at once.")
    parser.add_argument("users", nargs="*", type=int, default=[1, 50, 200, CROWD])
    parser.add_argument("--embeddings", choices=("model", "local"), default="model", help="who embeds the questions")
    arguments = parser.parse_args(given)
    embedder = LOCAL_EMBEDDER if arguments.embeddings == "local" else model.EMBEDDER
    asked = [f"What does the manual say about valve {n}?" for n in range(QUESTIONS)]
    with model_server() as model_port, temp_app() as app:
        fill(app, vectors(10_000), embedder)
        token = access_token(app)
        settings = model.settings(model_port) | {"EMBEDDING_MODEL": embedder, "RATELIMIT_ENABLED": "false"}
        direct = itertools.repeat(request("/v1/chat/completions", {"stream": True}))
        ours = itertools.cycle([request("/api/chat/send/", {"message": q, "stream": True}, token) for q in asked])
        print(
            f"\n{TOKENS} tokens after {FIRST_TOKEN} s at {PER_SECOND}/s, 10,000 chunks, embeddings: {embedder}, "
            "two web processes, times in ms"
        )
        print(
            f"{'':14}{'users':>7}{'whole':>8}{'lost':>6}{'chats/s':>9}{'first p50':>11}{'p99':>8}"
            f"{'added p50':>11}{'p99':>8}{'CPU':>9}"
        )
        with gunicorn(app, WEB_CONCURRENCY="2", **settings) as port:
            ask(port, ours, 4)
            for count in arguments.users:
                _measure("the model", model_port, direct, count)
                _measure("send/", port, ours, count)


if __name__ == "__main__":
    main(sys.argv[1:])
