"""Check that the installed packages have versions that fit together."""

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from brushwork_core.settings.settings import Settings
from packaging.requirements import Requirement

from brushwork.doctor.finding import Finding, fail, ok

ABOUT = "packages"
NAME = "brushwork"
# Packages of extras may be missing. If they are installed, their versions must fit.
EXTRAS = ("", "gateway", "monitor", "postgres", "workers")


def check_packages(settings: Settings) -> Iterator[Finding]:
    """Check the version of every package that brushwork requires."""
    try:
        own = version(NAME)
    except PackageNotFoundError:
        yield fail(ABOUT, "brushwork runs from a folder and is not installed.", "Run: pip install brushwork")
        return
    wrong = list(_misfits())
    for message in wrong:
        yield fail(ABOUT, message, "Run: pip install --upgrade brushwork")
    if not wrong:
        yield ok(
            ABOUT,
            f"brushwork {own} on Python {platform.python_version()}; all packages have fitting versions.",
        )


def _misfits() -> Iterator[str]:
    for text in requires(NAME) or []:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is not None and not any(marker.evaluate({"extra": extra}) for extra in EXTRAS):
            continue
        is_optional = marker is not None and not marker.evaluate({"extra": ""})
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            if not is_optional:
                yield f"{requirement.name} is not installed."
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            yield f"{requirement.name} has version {found}; {requirement.specifier} is required."
