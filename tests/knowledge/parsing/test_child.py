import io
import json
import logging
import os
import resource
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from chatbot.knowledge.parsing import ParseError, child, limits, parse, runner
from chatbot.knowledge.parsing.limits import DEFAULT, Limits
from chatbot.knowledge.parsing.result import Extracted
from tests.knowledge.parsing.makers import make_pdf, word

HTML = b"<html><title>T</title><p>hi</p></html>"


def play(monkeypatch, script: str) -> None:
    """Let the child run `script` in place of a parser."""
    monkeypatch.setattr(runner, "command", lambda *_: [sys.executable, "-I", "-c", script])


def confined(script: str) -> str:
    """A script under the real limits, with `limits` given as JSON in the environment-free command line."""
    return (
        f"import sys; sys.path.insert(0, {str(runner.ROOT)!r});"
        "from chatbot.knowledge.parsing.limits import Limits, confine;" + script
    )


def code_of(limits: Limits = DEFAULT) -> str:
    with pytest.raises(ParseError) as caught:
        parse(HTML, "a.html", limits=limits)
    return caught.value.code


@pytest.mark.parametrize(
    "script",
    [
        "import os; os._exit(0)",
        "import os; os._exit(3)",
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        "raise SystemExit(1)",
        "import os; os.kill(os.getpid(), 9)",
        "import ctypes; ctypes.string_at(0)",
        "print('{\"text\": ')",
        "print('[]')",
        "print('{}')",
        "print('3')",
        'print(\'{"error": "made up"}\')',
        "print('{\"error\": []}')",
        "import sys; sys.stdout.buffer.write(b'\\xff')",
        'print(\'{"text": 1, "title": null, "pages": [], "warnings": []}\')',
        'print(\'{"text": "a", "title": null, "pages": []}\')',
        'print(\'{"text": "a", "title": null, "pages": [], "warnings": 1}\')',
        'print(\'{"text": "a", "title": null, "pages": [], "warnings": [{"code": "made up"}]}\')',
        *(
            f'print(\'{{"text": "a", "title": null, "pages": [], "warnings": [{warning}]}}\')'
            for warning in (
                '{"code": "made up", "count": 1, "pages": [], "names": []}',
                '{"code": "shortened", "count": 0, "pages": [], "names": []}',
                '{"code": "shortened", "count": "1", "pages": [], "names": []}',
                '{"code": "shortened", "count": 4294967296, "pages": [], "names": []}',
                '{"code": "shortened", "count": 1, "pages": ["x"], "names": []}',
                '{"code": "shortened", "count": 1, "pages": [], "names": [1]}',
                '{"code": "shortened", "count": 1, "pages": [], "names": ["' + 101 * "x" + '"]}',
                '{"code": "shortened", "count": 30, "pages": [' + "1, " * 20 + '1], "names": []}',
            )
        ),
        'print(\'{"text": "", "title": null, "pages": [], "warnings": [], "log": {}}\')',
        'print(\'{"text": "", "title": null, "pages": [], "warnings": [], "log": [1]}\')',
    ],
)
def test_a_child_that_ends_without_an_answer_has_crashed(monkeypatch, script):
    """H14"""
    play(monkeypatch, script)
    assert code_of() == "parser_crashed"


def test_a_crash_tells_the_log_its_status_and_the_person_nothing(monkeypatch):
    play(monkeypatch, "import os; os._exit(7)")
    with pytest.raises(ParseError) as caught:
        parse(HTML, "a.html")
    assert caught.value.__notes__ == ["The child ended with status 7."]
    assert "7" not in str(caught.value)


def test_a_child_that_sleeps_is_killed_by_the_clock(monkeypatch):
    """H5 H14"""
    play(monkeypatch, "import time; time.sleep(60)")
    started = time.monotonic()
    assert code_of(Limits(wall_seconds=0.5)) == "too_complex"
    assert time.monotonic() - started < 30


def test_who_waits_for_a_child_is_called_until_it_is_done(monkeypatch):
    monkeypatch.setattr(runner, "PAUSE", 0.05)
    reply = {"text": "x", "title": None, "pages": [], "warnings": []}
    play(monkeypatch, f"import sys, time; sys.stdin.read(); time.sleep(0.5); print({json.dumps(json.dumps(reply))})")
    calls: list[int] = []
    assert parse(HTML * 100_000, "a.html", while_waiting=lambda: calls.append(1)).text == "x"
    assert len(calls) > 1


def test_child_ends_when_who_waits_for_it_raises(monkeypatch):
    monkeypatch.setattr(runner, "PAUSE", 0.05)
    play(monkeypatch, "import time; time.sleep(60)")
    started = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        parse(HTML, "a.html", while_waiting=lambda: 1 // 0)
    assert time.monotonic() - started < 30


def test_a_child_that_computes_is_killed_by_its_cpu_limit(monkeypatch):
    """H5 H14"""
    play(monkeypatch, confined("confine(Limits(cpu_seconds=1))\nwhile True: pass"))
    assert code_of() == "too_complex"


def test_a_document_that_needs_more_memory_than_allowed_is_too_complex():
    """H3 H14"""
    with pytest.raises(ParseError) as caught:
        parse(word("<w:p/>" * 200_000), "a.docx", limits=Limits(memory_bytes=48 * limits.MIB, zip_ratio=10**6))
    assert caught.value.code == "too_complex"


def test_a_child_cannot_take_more_memory_than_allowed(monkeypatch):
    """H3 H14"""
    script = confined("confine(Limits(memory_bytes=2**26))\ntry: bytes(2**28)\nexcept MemoryError: print('caught')")
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, check=True)
    assert done.stdout == b"caught\n"


def test_a_child_cannot_write_more_than_allowed(monkeypatch):
    play(monkeypatch, confined("confine(Limits(text_bytes=10))\nprint('x' * 5_000_000)"))
    assert code_of() == "parser_crashed"
    play(monkeypatch, "print('x' * 5_000_000)")
    assert code_of(Limits(text_bytes=10)) == "parser_crashed"


def test_a_child_is_told_no_secret(monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "hunter2")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/nowhere")
    play(
        monkeypatch,
        "import os, json; reply = {'text': str(dict(os.environ)), 'title': None, 'pages': [], 'warnings': []};"
        "print(json.dumps(reply))",
    )
    text = parse(HTML, "a.html").text
    assert "hunter2" not in text
    assert "/nowhere" in text


def test_a_child_starts_from_any_folder_and_ignores_what_lies_there(monkeypatch, tmp_path):
    (tmp_path / "json.py").write_text("raise RuntimeError('planted')")
    (tmp_path / "chatbot").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert parse(HTML, "a.html").text == "hi"


def test_the_parent_does_not_load_the_parsers():
    script = confined(
        "import chatbot.knowledge.parsing as p; p.parse(b'# x', 'a.md'); p.parse(b'<html>x', 'a.html');"
        "print([n for n in ('pypdf', 'pypdfium2', 'docx', 'selectolax', 'lxml') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


def test_library_that_aborts_over_refused_memory_is_too_complex(monkeypatch):
    play(monkeypatch, "import os; os.abort()")
    with pytest.raises(ParseError) as caught:
        parse(HTML, "a.html")
    assert caught.value.code == "too_complex"


def test_every_document_gets_a_process_of_its_own(monkeypatch):
    script = (
        "import os, json; print(json.dumps({'text': str(os.getpid()), 'title': None, 'pages': [], 'warnings': []}))"
    )
    play(monkeypatch, script)
    assert parse(HTML, "a.html").text != parse(HTML, "a.html").text


def test_the_answer_holds_what_the_format_extracted():
    reply = json.loads(child.answer(make_pdf("one", "zwölf"), "application/pdf", DEFAULT))
    assert reply == {"text": "one\n\nzwölf", "title": None, "pages": [0, 5], "warnings": []}


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (ParseError("encrypted"), "encrypted"),
        (MemoryError(), "too_complex"),
        (RecursionError(), "too_complex"),
        (ValueError("/etc/passwd"), "damaged"),
    ],
)
def test_trouble_becomes_a_code_and_nothing_else(monkeypatch, trouble, code):
    def extract(data, limits):
        raise trouble

    monkeypatch.setattr(child, "extractor", lambda *_: extract)
    assert json.loads(child.answer(b"x", "text/html", DEFAULT)) == {"error": code}


def test_warning_of_an_extractor_reaches_the_log_of_the_parent_once(monkeypatch, caplog):
    def extract(data, limits):
        log = logging.getLogger("chatbot.knowledge.parsing.extractors.sample")
        for number in (1, 1, *range(50)):
            log.warning("page %d %s", number, "x" * 1000)
        log.info("quiet")
        logging.getLogger("pypdf").warning("of a library")
        raise ParseError("damaged")

    monkeypatch.setattr(child, "extractor", lambda *_: extract)
    reply = child.answer(b"x", "text/html", DEFAULT)
    caplog.clear()
    play(monkeypatch, f"print({reply!r})")
    assert code_of() == "damaged"
    assert len(caplog.messages) == child.MAX_LOGGED
    assert caplog.messages[0].startswith("document_partly_read: page 1 xx")
    assert caplog.messages[1].startswith("document_partly_read: page 0 xx")
    assert max(map(len, caplog.messages)) < child.MAX_LOG_LINE + 30
    assert not logging.getLogger("chatbot.knowledge.parsing").handlers


def test_no_more_is_logged_than_an_honest_child_says(monkeypatch, caplog):
    play(
        monkeypatch,
        "import json; reply = {'text': 'x', 'title': None, 'pages': [], 'warnings': []};"
        "print(json.dumps(reply | {'log': ['y' * 999] * 99}))",
    )
    assert parse(HTML, "a.html").text == "x"
    assert [len(message) for message in caplog.messages] == [len("document_partly_read: ") + 200] * 20


def test_too_much_text_becomes_too_complex(monkeypatch):
    monkeypatch.setattr(child, "extractor", lambda *_: lambda *_: Extracted("ä" * 6))
    assert json.loads(child.answer(b"x", "text/html", Limits(text_bytes=10))) == {"error": "too_complex"}


def test_a_missing_library_is_not_called_damage(monkeypatch):
    def missing(media_type):
        raise ImportError("No module named pypdf")

    monkeypatch.setattr(child, "extractor", missing)
    with pytest.raises(ImportError):
        child.answer(b"x", "application/pdf", DEFAULT)


def test_main_reads_stdin_and_keeps_stdout_for_the_answer(monkeypatch):
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(child, "confine", lambda *_: None)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(HTML), close=lambda: None))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)

    def noisy(data, media_type, limits):
        sys.stdout.write("a library prints")
        return "the answer"

    monkeypatch.setattr(child, "answer", noisy)
    child.main("text/html", DEFAULT)
    assert (out.getvalue(), err.getvalue()) == ("the answer", "a library prints")


def test_confine_sets_each_limit_below_the_hosts_own(monkeypatch):
    placed = {}
    monkeypatch.setattr(resource, "setrlimit", lambda what, value: placed.__setitem__(what, value))
    monkeypatch.setattr(resource, "getrlimit", lambda what: (64, 32 if what == resource.RLIMIT_NOFILE else -1))
    limits.confine(Limits(cpu_seconds=9))
    assert placed[resource.RLIMIT_CORE] == (0, 0)
    assert placed[resource.RLIMIT_CPU] == (9, 10)
    assert placed[resource.RLIMIT_NOFILE] == (32, 32)
    assert placed[resource.RLIMIT_AS][0] > DEFAULT.memory_bytes


def test_a_host_that_refuses_a_limit_does_not_stop_the_child(monkeypatch):
    def refuse(what, value):
        raise ValueError("not here")

    monkeypatch.setattr(resource, "setrlimit", refuse)
    limits.confine(DEFAULT)


def test_without_proc_half_a_gigabyte_is_assumed_and_windows_has_no_limits(monkeypatch):
    monkeypatch.setattr(limits.Path, "read_text", lambda *_: (_ for _ in ()).throw(FileNotFoundError))
    assert limits._address_space() == 512 * limits.MIB
    monkeypatch.setattr(limits.sys, "platform", "win32")
    monkeypatch.setattr(resource, "setrlimit", lambda *_: os.abort())
    limits.confine(DEFAULT)
