"""What `make install` installs, and what it says when something is missing: an index of small wheels, no network."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

import install
from tests.conftest import ROOT, free_port

BASE = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
UV = Path(sys.executable).with_name("uv")
COPIED = ("Makefile", "install.py")
CLOSED = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("PIP_", "UV_", "COV_", "COVERAGE_", "MAKE", "MFLAGS")) and name != "VIRTUAL_ENV"
}


class Index:
    """A folder of wheels that pip and uv take for a package index."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, name: str, version: str, metadata: str = "", scripts: Mapping[str, str] | None = None) -> str:
        """Adds a wheel, and returns its line for a requirements file."""
        module = name.replace("-", "_")
        data = {f"{module}.py": f"VERSION = {version!r}\n"}
        data |= {f"{module}-{version}.data/scripts/{script}": text for script, text in (scripts or {}).items()}
        info = f"{module}-{version}.dist-info"
        data[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}"
        data[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        sums = {
            path: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            for path, text in data.items()
        }
        lines = [f"{path},sha256={sums[path]},{len(data[path].encode())}" for path in data]
        data[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""])
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for path, text in data.items():
                entry = zipfile.ZipInfo(path)
                entry.external_attr = (0o100755 if "/scripts/" in path else 0o100644) << 16
                archive.writestr(entry, text)
        return self._put(name, version, f"{module}-{version}-py3-none-any.whl", buffer.getvalue())

    def add_source(self, name: str, version: str, backend: str) -> str:
        """Adds a package without a wheel, whose build runs this code."""
        files = {
            "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
            "backend.py": backend,
        }
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for path, text in files.items():
                entry = tarfile.TarInfo(f"{name}-{version}/{path}")
                entry.size = len(text)
                archive.addfile(entry, io.BytesIO(text.encode()))
        return self._put(name, version, f"{name}-{version}.tar.gz", buffer.getvalue())

    def _put(self, name: str, version: str, file: str, content: bytes) -> str:
        page = self.folder / "simple" / name
        page.mkdir(parents=True, exist_ok=True)
        (page / file).write_bytes(content)
        with (page / "index.html").open("a", encoding="utf-8") as listing:
            listing.write(f'<a href="{file}">{file}</a><br>\n')
        return f"{name}=={version} --hash=sha256:{hashlib.sha256(content).hexdigest()}\n"

    @property
    def url(self) -> str:
        return (self.folder / "simple").as_uri()


class Project:
    """A clone of the Makefile and the install script, with small requirements files."""

    def __init__(self, folder: Path) -> None:
        self.index = Index(folder / "index")
        # A space and letters outside ASCII, as some people's folders have.
        self.folder = folder / "my projét"
        self.folder.mkdir()
        for name in COPIED:
            shutil.copy(ROOT / name, self.folder / name)
        outside = f'#!/bin/sh\nexec "{UV}" "$@"\n'
        locked = self.index.add("uv", installed_uv(), scripts={"uv": outside})
        self.lock("-uv", locked.replace(" --hash", " \\\n    --hash"))
        self.lock("", self.index.add("plain", "1.0"))
        self.lock("-embedder", self.index.add("weights", "1.0", "Requires-Dist: gigabytes\n"))
        self.environment = CLOSED | {
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": self.index.url,
            "PIP_RETRIES": "0",
            "UV_HTTP_RETRIES": "0",
            "UV_NO_CONFIG": "1",
            "UV_CACHE_DIR": str(folder / "cache"),
            "UV_LINK_MODE": "copy",
            "HOME": str(folder),
        }

    def lock(self, which: str, *lines: str) -> None:
        (self.folder / f"requirements{which}.txt").write_text("".join(lines), encoding="utf-8")

    def make(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", f"PYTHON={BASE}", *arguments],
            cwd=self.folder,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=600,
        )

    def version(self, module: str) -> str:
        python = self.folder / ".venv" / "bin" / "python"
        code = f"import {module}; print({module}.VERSION)"
        return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def installed_uv() -> str:
    return subprocess.run([UV, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with pip and uv in it, made once by the Makefile."""
    project = Project(tmp_path_factory.mktemp("environment"))
    done = project.make("install")
    assert done.returncode == 0, done.stdout
    assert [project.version(name) for name in ("plain", "weights")] == ["1.0", "1.0"]
    (project.folder / ".venv" / ".installed").unlink()
    return project.folder / ".venv"


@pytest.fixture
def bare(tmp_path: Path) -> Project:
    """A clone in which nothing has been made."""
    return Project(tmp_path)


@pytest.fixture
def project(bare: Project, environment: Path) -> Project:
    """A clone with a virtual environment."""
    shutil.copytree(environment, bare.folder / ".venv", symlinks=True)
    return bare


def with_extra(project: Project) -> list[str]:
    """A lock with an extra, and a newer release of that package than the locked one."""
    extra = "Provides-Extra: fast\nRequires-Dist: quick; extra == 'fast'\n"
    locked = project.index.add("parts", "1.0", extra).replace("==", "[fast]==")
    lines = [
        locked,
        project.index.add("quick", "1.0"),
        project.index.add("user", "1.0", "Requires-Dist: parts[fast]\n"),
    ]
    for name in ("parts", "quick", "user"):
        project.index.add(name, "2.0", extra if name == "parts" else "")
    return lines


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    """What make prints before its own last line."""
    lines = [line for line in done.stdout.splitlines() if line and not line.startswith("make")]
    return lines[-1]


@pytest.mark.parametrize("extras", ["kept", "stripped"])
def test_install_takes_locked_release_of_package_with_extra(project, extras):
    lines = with_extra(project)
    project.lock("", *(lines if extras == "kept" else [line.replace("[fast]", "") for line in lines]))
    done = project.make("install")
    assert done.returncode == 0, done.stdout
    assert [project.version(name) for name in ("parts", "quick", "user", "weights")] == ["1.0"] * 4


def test_plain_pip_takes_locked_release_of_package_with_extra(project):
    """A host runs `pip install -r requirements.txt`, with whichever pip it has."""
    project.lock("", *with_extra(project))
    python, fresh = project.folder / ".venv" / "bin" / "python", project.folder / "fresh"
    command = [python, "-m", "pip", "install", "--target", fresh, "--require-hashes", "-r", "requirements.txt"]
    done = subprocess.run(command, cwd=project.folder, env=project.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in fresh.glob("*.dist-info")} == {
        f"{n}-1.0.dist-info" for n in ("parts", "quick", "user")
    }


def test_install_again_does_nothing_until_lock_changes(project):
    assert "Installing requirements.txt" in project.make("install").stdout
    assert "Nothing to be done" in project.make("install").stdout
    project.lock("", project.index.add("plain", "2.0"))
    assert project.make("install").returncode == 0
    assert project.version("plain") == "2.0"


def test_interrupted_install_is_repaired(project):
    (module,) = project.folder.glob(".venv/lib/*/site-packages/plain.py")
    module.unlink()
    (project.folder / ".venv" / ".unfinished").touch()
    assert project.make("install").returncode == 0
    assert project.version("plain") == "1.0"


def test_environment_without_its_interpreter_is_made_again(project):
    (project.folder / ".venv" / ".installed").touch()
    for link in (project.folder / ".venv" / "bin").glob("python*"):
        link.unlink()
    (project.folder / ".venv" / "bin" / "python").symlink_to("/nowhere/python")
    assert project.make("install").returncode == 0
    assert project.version("plain") == "1.0"


def test_environment_of_uv_without_pip_is_used(bare):
    project = bare
    subprocess.run([UV, "venv", "--quiet", "--python", BASE, project.folder / ".venv"], check=True, env=CLOSED)
    path = f"{UV.parent}{os.pathsep}{os.environ['PATH']}"
    done = project.make("install", PATH=path, UV_DEFAULT_INDEX=project.index.url)
    assert done.returncode == 0, done.stdout
    assert project.version("plain") == "1.0"


def test_install_without_network_says_so(project):
    project.lock("", project.index.add("plain", "2.0"))
    closed = f"http://127.0.0.1:{free_port()}/simple"
    done = project.make("install", PIP_INDEX_URL=closed)
    assert done.returncode != 0
    assert last_line(done).startswith("The package index cannot be reached")


def test_first_install_without_network_says_so(project):
    (project.folder / ".venv" / "bin" / "uv").unlink()
    done = project.make("install", PIP_INDEX_URL=f"http://127.0.0.1:{free_port()}/simple")
    assert done.returncode != 0
    assert last_line(done).startswith("The package index cannot be reached")


def test_install_without_compiler_says_so(project, tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "sh", "make", "touch", "env"):
        (tools / name).symlink_to(str(shutil.which(name)))
    backend = (
        "import subprocess\ndef build_wheel(*args, **kwargs):\n    subprocess.run(['cc', '--version'], check=True)\n"
    )
    project.lock("", project.index.add_source("compiled", "1.0", backend))
    done = project.make("install", PATH=str(tools))
    assert done.returncode != 0
    assert last_line(done).startswith("A C compiler is missing")


def test_install_of_changed_package_is_refused(project):
    project.lock("", project.index.add("plain", "2.0")[:-5] + "0000\n")
    done = project.make("install")
    assert done.returncode != 0
    assert last_line(done).startswith("The index has another file than the one that is locked")


def test_old_python_is_named(bare, tmp_path):
    old = tmp_path / "old python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = bare.make(f"PYTHON={old}", "install")
    assert done.returncode != 0
    assert last_line(done).startswith("Python 3.11 or newer is missing")


@pytest.mark.parametrize(
    "said", ["OSError: [Errno 28] No space left on device", "failed to write: No space left on device (os error 28)"]
)
def test_full_disk_is_named(said):
    assert install.reason(said).startswith("The disk is full")
