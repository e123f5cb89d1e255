"""The requirements files are what `make lock` makes of pyproject.toml, and are complete; none of it needs a network."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from typing import NamedTuple

import pytest
from packaging.markers import Marker, default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FILES = {
    "requirements.txt": ["project"],
    "requirements-dev.txt": ["project", "dev"],
    "requirements-tracing.txt": ["tracing"],
    "requirements-embedder.txt": ["embedder"],
    "requirements-multilingual.txt": ["multilingual"],
    "requirements-uv.txt": ["uv"],
}
COMPLETE = ["requirements.txt", "requirements-dev.txt", "requirements-tracing.txt"]
PIN = re.compile(r"^(?P<name>[a-z0-9.-]+)(\[(?P<extras>[a-z0-9,-]+)\])?==(?P<version>[^\s;]+)( ; (?P<marker>[^\\]+))?")


class Pin(NamedTuple):
    """One locked package."""

    version: str
    extras: frozenset[str]
    hashes: int
    # Whether pyproject.toml itself asks for it.
    direct: bool


def pins(file: str) -> dict[str, Pin]:
    """The packages that a file locks for this Python and machine."""
    found: dict[str, Pin] = {}
    for block in re.split(r"^(?=[a-z0-9])", (ROOT / file).read_text(encoding="utf-8"), flags=re.MULTILINE):
        pin = PIN.match(block.partition("\n")[0])
        if pin and (not pin["marker"] or Marker(pin["marker"]).evaluate()):
            extras = frozenset((pin["extras"] or "").split(",")) - {""}
            assert pin["name"] not in found
            found[pin["name"]] = Pin(pin["version"], extras, block.count("--hash=sha256:"), "(pyproject.toml" in block)
    return found


def asked_for(name: str) -> list[Requirement]:
    """The requirements of the project or of one of its groups."""
    if name == "project":
        return [Requirement(line) for line in PROJECT["project"]["dependencies"]]
    lines = PROJECT["dependency-groups"][name]
    included = [line["include-group"] for line in lines if isinstance(line, dict)]
    own = [Requirement(line) for line in lines if isinstance(line, str)]
    return own + [requirement for group in included for requirement in asked_for(group)]


def unmet(requirement: Requirement, locked: dict[str, Pin]) -> bool:
    """Whether no pin is the required package, in a version and with the extras that are required."""
    pin = locked.get(canonicalize_name(requirement.name))
    extras = {canonicalize_name(extra) for extra in requirement.extras}
    return not pin or not requirement.specifier.contains(pin.version, prereleases=True) or not extras <= pin.extras


def required_by(name: str, extras: frozenset[str]) -> list[Requirement]:
    """What an installed package requires here; nothing where it is not installed."""
    try:
        found = [Requirement(line) for line in requires(name) or []]
    except PackageNotFoundError:
        return []
    contexts = [{**default_environment(), "extra": extra} for extra in ("", *extras)]
    return [r for r in found if not r.marker or any(r.marker.evaluate(context) for context in contexts)]


@pytest.mark.parametrize("file", FILES)
def test_lock_is_made_of_what_pyproject_asks_for(file):
    locked, asked = pins(file), [r for group in FILES[file] for r in asked_for(group)]
    assert [str(requirement) for requirement in asked if unmet(requirement, locked)] == []
    direct = {name for name, pin in locked.items() if pin.direct}
    assert direct == {canonicalize_name(requirement.name) for requirement in asked}


@pytest.mark.parametrize("file", COMPLETE)
def test_lock_has_every_requirement_of_its_packages_with_its_extras(file):
    """pip up to 23.2 takes the newest release for `name[extra]` where only `name` is locked, and then refuses it."""
    locked = pins(file)
    missing = {
        f"{name} requires {requirement}"
        for name, pin in locked.items()
        for requirement in required_by(name, pin.extras)
        if unmet(requirement, locked)
    }
    assert missing == set()


def test_requirement_without_its_extra_in_lock_is_found():
    """The two that were locked without: the check above would have found them."""
    locked = {"apispec": Pin("6.10.1", frozenset(), 1, False), "coverage": Pin("7.17.3", frozenset(), 1, False)}
    asked = [r for name in ("flask-smorest", "pytest-cov") for r in required_by(name, frozenset()) if r.extras]
    assert [r.name for r in asked if unmet(r, locked)] == ["apispec", "coverage"]


@pytest.mark.parametrize("file", FILES)
def test_every_locked_package_has_hashes(file):
    assert pins(file)
    assert {name for name, pin in pins(file).items() if not pin.hashes} == set()


def test_files_that_are_installed_together_lock_the_same():
    everything = pins("requirements-dev.txt")
    for file in FILES.keys() - {"requirements-embedder.txt", "requirements-multilingual.txt"}:
        assert {name: pin for name, pin in pins(file).items() if everything[name].version != pin.version} == {}
