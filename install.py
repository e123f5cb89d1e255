"""Makes the virtual environment and installs locked packages into it: `python3 install.py .venv requirements.txt ...`.

The Makefile runs it. It needs nothing but the standard library: with the environment's pip, whichever that is, it
installs uv in the version of requirements-uv.txt, and uv installs the files as they are locked. `--no-deps` leaves
nothing to resolve, so neither the day nor the version of pip decides what is installed. A failure ends with one line
that says what is missing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
UV_LOCK = ROOT / "requirements-uv.txt"
Command = Sequence[str | Path]

NO_UV = (
    "uv is missing: this environment has no pip, as `uv venv` makes it, and no uv is on PATH; "
    "put uv on PATH, or delete the environment's folder and run the same command again."
)
NO_VENV = (
    "Python's venv module is missing or incomplete: install it (Debian and Ubuntu: apt install python3-venv) "
    "and run the same command again."
)
DISK = "The disk is full: free 2 GB where the environment and uv's cache are, and run the same command again."
FULL_BYTES = 20_000_000
# What pip, uv, venv and the system say, and what is missing then.
REASONS = (
    (
        re.compile(
            r"No space left on device|os error 28|Disk quota exceeded|os error 122",
            re.IGNORECASE,
        ),
        DISK,
    ),
    (
        re.compile(
            r"Permission denied|os error 13\b|Read-only file system|os error 30\b",
            re.IGNORECASE,
        ),
        "The permission to write is missing; the lines above name the file or folder.",
    ),
    (
        re.compile(
            r"hash mismatch|do not match the hashes",
            re.IGNORECASE,
        ),
        "The index has another file than the one that is locked; nothing was installed from it.",
    ),
    (
        re.compile(
            r"error sending request|dns error|Could not connect|Failed to fetch|timed out|Failed to establish "
            r"a new connection|Temporary failure in name resolution|Could not fetch URL|No matching distribution found "
            r"for uv",
            re.IGNORECASE,
        ),
        "The package index cannot be reached: check the network, the proxy and the index that pip and uv are "
        "configured with, and run the same command again.",
    ),
)
BUILD = re.compile(r"Failed to (download and )?build|build backend|Failed building wheel", re.IGNORECASE)
CHANGE = re.compile(r" [-+~] ")


class InstallError(Exception):
    """What is missing, in one line."""


def reason(output: str) -> str:
    """What is missing, by what a command printed before it failed."""
    for pattern, text in REASONS:
        if pattern.search(output):
            return text
    # venv does not say why its pip could not be written.
    if shutil.disk_usage(ROOT).free < FULL_BYTES:
        return DISK
    if "ensurepip" in output:
        return NO_VENV
    if BUILD.search(output):
        if any(shutil.which(name) for name in ("cc", "gcc", "clang")):
            return "A package has no wheel for this Python and machine and could not be built; the lines above say why."
        return (
            "A C compiler is missing: a package has no wheel for this Python and machine and has to be built here "
            "(Debian and Ubuntu: apt install build-essential)."
        )
    return "The installation has failed; the lines above say why."


def run(command: Command, environment: dict[str, str]) -> None:
    """Runs a command, printing each of its lines as it comes, except uv's list of every package.

    Raises:
        InstallError: it failed.
    """
    lines: list[str] = []
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        assert process.stdout
        for line in process.stdout:
            lines.append(line)
            if not CHANGE.match(line):
                print(line, end="", flush=True)
    if process.returncode:
        raise InstallError(reason("".join(lines)))


def make_environment(venv: Path) -> Path:
    """The environment's interpreter; the environment is made if it is not there or has lost its interpreter."""
    python = venv / "bin" / "python"
    if python.exists():
        return python
    print(f"Creating {venv.name} with Python {sys.version.split()[0]} ...", flush=True)
    try:
        run([sys.executable, "-m", "venv", "--clear", venv], dict(os.environ))
    except BaseException:
        shutil.rmtree(venv, ignore_errors=True)
        raise
    return python


def index_of_pip(python: Path) -> dict[str, str]:
    """The index and the certificates that only pip is configured with, as uv's variables."""
    shown = subprocess.run([python, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False).stdout
    values = dict(re.findall(r"^[\w:]+?\.:?(index-url|cert)='(.*)'$", shown, re.MULTILINE))
    wanted = {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE"}
    given = {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & os.environ.keys()
    return {
        variable: values[name]
        for name, variable in wanted.items()
        if name in values and variable not in os.environ and not (name == "index-url" and given)
    }


def has_pip(python: Path) -> bool:
    return subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0


def install_uv(python: Path) -> None:
    """Installs the locked uv with the environment's pip, or where it has none with the uv that is on PATH."""
    print("Installing uv, which installs the rest ...", flush=True)
    locked: Command = ["install", "--quiet", "--force-reinstall", "--no-deps", "--require-hashes", "-r", UV_LOCK]
    if not has_pip(python):
        if outside := shutil.which("uv"):
            run([outside, "pip", *locked, "--python", python], dict(os.environ))
            return
        subprocess.run([python, "-m", "ensurepip"], capture_output=True, check=False)
        if not has_pip(python):
            raise InstallError(NO_UV)
    run([python, "-m", "pip", "--disable-pip-version-check", *locked], dict(os.environ))


def is_locked(uv: Path) -> bool:
    """Whether the environment's uv is there in the locked version."""
    said = subprocess.run([uv, "--version"], capture_output=True, text=True, check=False).stdout if uv.exists() else ""
    return f"uv=={''.join(said.split()[1:2])} " in UV_LOCK.read_text(encoding="utf-8")


def install(venv: Path, files: Sequence[str]) -> None:
    """Installs the files' packages into the environment.

    Raises:
        InstallError: what is missing.
    """
    python = make_environment(venv)
    uv = python.with_name("uv")
    if not is_locked(uv):
        install_uv(python)
    # What was stopped half-way may have left packages that look whole.
    unfinished = venv / ".unfinished"
    again = ["--reinstall"] if unfinished.exists() else []
    unfinished.touch()
    print(f"Installing {' and '.join(files)} ...", flush=True)
    listed = [argument for file in files for argument in ("-r", file)]
    command: Command = [uv, "pip", "install", "--python", python, "--no-deps", "--require-hashes", *again, *listed]
    run(command, os.environ | index_of_pip(python))
    unfinished.unlink()


def main() -> None:
    venv, *files = sys.argv[1:]
    try:
        install(Path(venv), files)
    except InstallError as error:
        sys.exit(f"\n{error}")
    except OSError as error:
        sys.exit(f"\n{reason(str(error))} {error}")
    except KeyboardInterrupt:
        sys.exit("\nStopped; the same command goes on from here.")


if __name__ == "__main__":
    main()
