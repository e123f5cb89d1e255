"""Servers with 10,000 documents: how soon they are ready, what they hold, what they find, and how they chat."""

from __future__ import annotations

import itertools
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.corpus import Text, questions
from bench.load import CROWD, PATIENCE, Run, ask, request
from bench.model import NOMINAL
from bench.peers.report import Figures
from bench.peers.servers import TEAM, Failed, Running, Target, started
from bench.processes import cpu, memory, others
from bench.temp_app import quantiles

K, SEARCHES, CHATS, USERS = 8, 200, 15, 50
# Chats are about so many different questions, and the seconds that users go on asking.
QUESTIONS, SECONDS = 1_000, 8.0
CHATS_ARE = f"the model takes {1000 * NOMINAL:.0f} ms for an answer; {QUESTIONS:,} different questions"
PARTS = ("ready", "retrieval", "chat", "load", "crowd")


def measure(
    target: Target, texts: Sequence[Text], parts: Sequence[str], model_port: int, log: Path, figures: Figures
) -> None:
    """Adds what one server does; everything it started has ended afterwards."""
    asked = questions(texts, max(SEARCHES, QUESTIONS))
    with started(target, log, target.processes, asked[0][0]) as running, others(os.getpid()) as cores:
        if "ready" in parts:
            figures.add("start to healthy, s", target.name, running.ready)
            figures.add("start to first search, s", target.name, running.searched)
        if "retrieval" in parts:
            _retrieval(target, running, asked[:SEARCHES], False, figures)
            support = questions([text for text in texts if text.team == TEAM], SEARCHES)
            _retrieval(target, running, support, True, figures)
        if target.chat(asked[0][0]) is not None:
            chats = itertools.cycle([target.chat(question) or b"" for question, _ in asked])
            _chats(target.name, running, chats, parts, model_port, figures)
        if "ready" in parts:
            figures.add("memory of a web process, MiB", target.name, memory(running.processes))
        figures.add("cores that other programs took meanwhile", target.name, cores())


def _retrieval(
    target: Target, running: Running, asked: Sequence[tuple[str, Text]], filtered: bool, figures: Figures
) -> None:
    line, seconds, hits, returned = target.line(running.port), [], 0, 0
    # What is asked twice might be remembered.
    line.call("GET", target.search("warm up", K, filtered))
    spent = cpu(running.processes)
    for question, text in asked:
        path, begin = target.search(question, K, filtered), time.perf_counter()
        answer = line.call("GET", path)
        seconds.append(time.perf_counter() - begin)
        found = target.found(answer)
        hits += text.title in found
        returned += len(found)
    line.close()
    spent = cpu(running.processes) - spent
    what = "search over HTTP, 5 % filter" if filtered else "search over HTTP"
    p50, p99 = quantiles(seconds)
    figures.add(f"{what}, p50 ms", target.name, p50)
    figures.add(f"{what}, p99 ms", target.name, p99)
    figures.add(f"{what}, CPU ms", target.name, 1000 * spent / len(asked))
    figures.add(f"{what}, found of {K}", target.name, returned / len(asked), better="more")
    figures.add(f"{what}, the right one among them, %", target.name, 100 * hits / len(asked), better="more")


def _chats(
    name: str, running: Running, chats: Iterator[bytes], parts: Sequence[str], model_port: int, figures: Figures
) -> None:
    direct = itertools.repeat(request("/v1/chat/completions", {"stream": True}))
    # The first answers of each process load what is loaded late.
    ask(running.port, chats, 4, 0)
    if "chat" in parts:
        both = Run(), Run()
        for _ in range(CHATS):
            for port, asked, run in zip((model_port, running.port), (direct, chats), both, strict=True):
                _joined(run, ask(port, asked, 1, 0))
        _check(both[1], CHATS)
        model, ours = (statistics.median(run.total) for run in both)
        figures.add("one chat, added to the model's time, p50 ms", name, 1000 * (ours - model))
        first = statistics.median(both[1].first) - statistics.median(both[0].first)
        figures.add("one chat, first token later by, p50 ms", name, 1000 * first)
    if "load" in parts:
        spent, begin = cpu(running.processes), time.perf_counter()
        run = ask(running.port, chats, USERS, SECONDS)
        seconds, spent = time.perf_counter() - begin, cpu(running.processes) - spent
        _check(run, len(run.total) + run.lost)
        figures.add(f"{USERS} users, chats/s", name, len(run.total) / seconds, better="more")
        first, first99 = quantiles(run.first)
        figures.add(f"{USERS} users, first token p50 ms", name, first)
        figures.add(f"{USERS} users, first token p99 ms", name, first99)
        figures.add(f"{USERS} users, lost", name, run.lost)
        figures.add("CPU a chat, ms", name, 1000 * spent / len(run.total))
    if "crowd" in parts:
        begin = time.perf_counter()
        run = ask(running.port, chats, CROWD)
        figures.add(f"{CROWD:,} users at once, answered", name, len(run.total), better="more")
        figures.add(f"{CROWD:,} users at once, lost", name, run.lost)
        _check(run, CROWD)
        figures.add(f"{CROWD:,} users at once, first token p50 s", name, statistics.median(run.first))
        figures.add(f"{CROWD:,} users at once, all done after s", name, time.perf_counter() - begin)


def _joined(run: Run, other: Run) -> None:
    run.first += other.first
    run.total += other.total
    run.lost += other.lost
    run.why += other.why


def _check(run: Run, count: int) -> None:
    """Lets nothing count that was not answered.

    Raises:
        Failed: nothing was.
    """
    if run.lost:
        print(f"    lost: {', '.join(f'{count} {why}' for why, count in run.why.most_common(3))}", flush=True)
    if not run.total:
        raise Failed(f"none of {count} chats was answered, {run.lost} lost within {PATIENCE} s")
