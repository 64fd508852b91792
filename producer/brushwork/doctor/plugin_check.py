"""Check the plug-ins: which distributions there are, what they add, and which failed to load."""

from collections.abc import Iterator
from importlib.metadata import entry_points

from brushwork_core.policies.registry import all_policy_types
from brushwork_core.settings.settings import Settings
from brushwork_schemas.catalogue import Catalogue
from brushwork_schemas.families.registry import all_families
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.plugins import CATALOGUES, FAMILIES, KINDS, OWN, POLICIES, failed_plugins

from brushwork.doctor.finding import Finding, ok, warn

ABOUT = "plug-ins"
GROUPS = (KINDS, FAMILIES, CATALOGUES, POLICIES)


def check_plugins(settings: Settings) -> Iterator[Finding]:
    """Load all plug-ins, and report those of other distributions and those that failed."""
    all_kinds()
    all_families()
    all_policy_types()
    Catalogue.load()
    failed = failed_plugins()
    for each in failed:
        part = f"{each.part} of " if each.part else ""
        yield warn(
            ABOUT,
            f"{each.distribution or 'An unknown distribution'}: {part}{each.group} "
            f"{each.name!r} is not used: {each.reason.rstrip('.')}.",
            "Update or repair this distribution, or uninstall it.",
        )
    # Where only a part was left out, the rest is used.
    places = {(each.group, each.name, each.distribution) for each in failed if not each.part}
    foreign = [
        (point.dist.name, point.dist.version, group.removeprefix("brushwork."), point.name)
        for group in GROUPS
        for point in entry_points(group=group)
        if point.dist and point.dist.name != OWN and (group, point.name, point.dist.name) not in places
    ]
    for distribution, version in sorted({(distribution, version) for distribution, version, *_ in foreign}):
        names = [f"{group} {name!r}" for owner, _, group, name in foreign if owner == distribution]
        yield ok(ABOUT, f"{distribution} {version} is loaded: {', '.join(names)}.")
    if not foreign and not failed:
        yield ok(ABOUT, "No other distribution adds kinds, families, catalogues or policies.")
