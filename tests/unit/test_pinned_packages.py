"""What is installed: the pinned versions of packages, and the files with hashes of a release."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TOP = Path(__file__).parents[2]
# The files with hashes, and the extras of brushwork that each has.
RELEASE = {"gateway": ("gateway", "monitor", "postgres"), "worker": ("workers", "postgres"), "build": ()}
# Not in constraints.txt: torch pins what it needs of CUDA, and the others are of other systems.
UNCONSTRAINED = re.compile(r"nvidia-.*|cuda-.*|triton|async-timeout|colorama|tzdata|httpx2-jsfetch")


@pytest.fixture(scope="module")
def pins() -> dict[str, str]:
    lines = (TOP / "constraints.txt").read_text("utf-8").splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def test_pinned_versions_are_plain_and_allowed(pins: dict[str, str]) -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    lines = project["dependencies"] + [line for extra in extras for line in extra]
    requirements = [Requirement(line) for line in lines if not line.startswith("brushwork[")]
    assert [
        str(requirement)
        for requirement in requirements
        if not requirement.specifier.contains(pins.get(canonicalize_name(requirement.name), "0"))
    ] == []


@pytest.fixture(scope="module", params=[*RELEASE, "tools"])
def locked(request: pytest.FixtureRequest) -> tuple[str, dict[str, tuple[Requirement, list[str]]]]:
    """The name of a file with hashes; and its requirements by name, each with its hashes."""
    text = (TOP / "requirements" / f"{request.param}.txt").read_text("utf-8")
    entries = text.replace("\\\n", "").splitlines()
    entries = [entry for entry in entries if not entry.startswith("#")]
    split = [(entry.partition("--hash=")[0], re.findall(r"--hash=(\S+)", entry)) for entry in entries]
    requirements = [(Requirement(line.strip()), hashes) for line, hashes in split]
    return request.param, {canonicalize_name(found.name): (found, hashes) for found, hashes in requirements}


def test_each_file_of_a_release_is_pinned_with_hashes_and_names_no_index(
    locked: tuple[str, dict[str, tuple[Requirement, list[str]]]],
) -> None:
    name, found = locked
    assert found
    for requirement, hashes in found.values():
        assert re.fullmatch(r"==[^,*]+", str(requirement.specifier)), requirement
        assert requirement.url is None
        assert hashes
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), requirement
    text = (TOP / "requirements" / f"{name}.txt").read_text("utf-8")
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host", text)


def test_the_versions_of_a_release_are_those_that_the_tests_passed_with(
    locked: tuple[str, dict[str, tuple[Requirement, list[str]]]], pins: dict[str, str]
) -> None:
    name, found = locked
    versions = {package: str(requirement.specifier)[2:] for package, (requirement, _) in found.items()}
    assert {package: at for package, at in versions.items() if pins.get(package, at) != at} == {}
    free = {package for package in versions if package not in pins and not UNCONSTRAINED.fullmatch(package)}
    assert free == set() or name == "tools"


@pytest.mark.parametrize("name", RELEASE)
def test_a_release_has_all_that_it_needs(name: str) -> None:
    """pip installs only what has hashes: what brushwork needs, and what each package of it needs."""
    text = (TOP / "requirements" / f"{name}.txt").read_text("utf-8")
    pinned = {
        canonicalize_name(each): at for each, at in re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE)
    }
    project = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]
    needs = [line for extra in RELEASE[name] for line in project["optional-dependencies"][extra]]
    needs += project["dependencies"] if RELEASE[name] else ["build", "hatchling"]
    seen = set()
    while needs:
        need = Requirement(needs.pop())
        package = canonicalize_name(need.name)
        key = (package, frozenset(need.extras))
        if key in seen or not _is_needed(need):
            continue
        seen.add(key)
        assert package in pinned, f"{need}: run `make requirements`"
        assert need.specifier.contains(pinned[package]), f"{need}: run `make requirements`"
        needs += _needs_of(need, pinned[package])
    assert len(seen) > 3


def _is_needed(need: Requirement) -> bool:
    return need.marker is None or need.marker.evaluate({"extra": ""})


def _needs_of(need: Requirement, at: str) -> list[str]:
    """The requirements of a package, with those of the extras that are wanted."""
    try:
        # A package in another version than the pinned one may need something else.
        lines = requires(need.name) or [] if version(need.name) == at else []
    except PackageNotFoundError:
        return []
    wanted = [Requirement(line) for line in lines]
    for each in wanted:
        if each.marker and any(each.marker.evaluate({"extra": extra}) for extra in ("", *need.extras)):
            each.marker = None
    return [str(each) for each in wanted if each.marker is None]
