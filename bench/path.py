"""How long the path of a streamed answer is: files, generators and shapes, counted while one is streamed.

    python -m bench.path

A scripted model streams an answer through send/ in this process, and `sys.setprofile` sees each call. Counted are the
files of `chatbot/` that the question enters, the generators of ours that every token passes, and the types of value in
which they hand it on. Waiting loops and helpers that no token passes do not count, nor do LangChain's own generators
and chunks, nor the feed in which frames, (name, payload), wait for their readers: no generator yields these.

`AIM` is what a question should take, and `LIMIT` what it takes today: tests/bench/test_path.py fails above it. The
files are more than twice the aim. Each holds one subject of its package, most of them one step of a question: who asks,
limits, the turn, the search, the prompt, citations, what is stored. Half of them would have to be merged with another
subject to reach it.
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from bench.overhead import model_server
from bench.search import fill, vectors
from bench.temp_app import access_token, temp_app
from chatbot.config import ROOT

PACKAGE = str(ROOT / "chatbot") + "/"
AIM = {"files": 40, "generators": 6, "shapes": 4}
LIMIT = {"files": 85, "generators": 5, "shapes": 3}


class Path:
    """What was entered and yielded."""

    def __init__(self) -> None:
        self.tokens = 0  # Events; tokens that come while one is handled travel together.
        self.files: set[str] = set()
        self.yields: Counter[str] = Counter()
        self.types: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def note(self, frame: FrameType, event: str, value: Any) -> None:
        """What `sys.setprofile` calls."""
        code = frame.f_code
        if not code.co_filename.startswith(PACKAGE) or event not in ("call", "return"):
            return
        file = code.co_filename.removeprefix(PACKAGE)
        self.files.add(file)
        is_generator = code.co_flags & inspect.CO_GENERATOR and code.co_name != "<genexpr>"
        if event == "return" and is_generator and value is not None:
            name = f"{file}: {code.co_qualname}"
            self.yields[name] += 1
            self.types[name][type(value).__name__] += 1

    @property
    def generators(self) -> list[str]:
        """Those that every token passes; some are held back and come together."""
        return sorted(name for name, count in self.yields.items() if count * 2 >= self.tokens)

    @property
    def shapes(self) -> list[str]:
        """The types in which they hand a token on."""
        counts = [self.types[name] for name in self.generators]
        seen = {kind for of in counts for kind, count in of.items() if count * 2 >= self.tokens}
        return sorted(seen)

    @property
    def found(self) -> dict[str, list[str]]:
        """What is counted, by what it is."""
        return {"files": sorted(self.files), "generators": self.generators, "shapes": self.shapes}


@contextmanager
def profiled(path: Path) -> Iterator[None]:
    """Notes the calls of this thread and of those that begin inside the block."""
    threading.setprofile(path.note)
    sys.setprofile(path.note)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def measure() -> Path:
    """The path of one streamed answer of a model, after one that has warmed everything."""
    path, body = Path(), {"message": "What does the manual say about the valve?", "stream": True}
    with model_server() as port:
        model = {
            "openai_api_key": "sk-bench",
            "openai_base_url": f"http://127.0.0.1:{port}/v1",
            "embedding_model": "all-MiniLM-L6-v2",
        }
        with temp_app(**model) as app:
            fill(app, vectors(100))
            headers = {"Authorization": f"Bearer {access_token(app)}"}
            client = app.test_client()
            client.post("/api/chat/send/", json=body, headers=headers).get_data()
            with profiled(path):
                answer = client.post("/api/chat/send/", json=body, headers=headers)
                text = answer.get_data(as_text=True)
    path.tokens = text.count("event: token")
    if answer.status_code != 200 or "event: done" not in text or path.tokens < 2:
        raise RuntimeError(f"send/ answered {answer.status_code}: {text[:200]}")
    return path


def main() -> None:
    """Prints the counts, and what is counted."""
    path = measure()
    for what, names in path.found.items():
        print(f"{len(names)} {what} (aim: at most {AIM[what]}, limit of the test: {LIMIT[what]})")
        if what == "files":
            packages = Counter(name.split("/")[0] for name in names if "/" in name)
            print("  " + ", ".join(f"{package} {count}" for package, count in packages.most_common()))
        for name in names:
            print(f"  {name}")


if __name__ == "__main__":
    main()
