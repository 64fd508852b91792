"""`brushwork migrate`."""

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from brushwork_core.database.database import Database
from brushwork_core.settings.settings import Settings

from brushwork.cli.commands.jobs import AsJson
from brushwork.cli.exit_status import ExitStatus
from brushwork.cli.terminal import NEWS, print_json

if TYPE_CHECKING:
    from brushwork_core.database.migration import SchemaVersion


def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing. Status 78 if the tables do not fit this version.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create the tables of the database, or update them to this version."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    database = Database(Settings.load().database_url.get_secret_value(), "migrate")
    try:
        if not check:
            database.migrate()
        # Imported here, because Alembic is slow to import.
        from brushwork_core.database.migration import schema_version

        with database.reading() as connection:
            version = schema_version(connection)
    finally:
        database.close()
    if as_json:
        # `revision` is what this command printed before it had the others.
        print_json({"revision": version.found, **asdict(version)})
    else:
        NEWS.print(_in_words(version), soft_wrap=True)
    if not version.fits or version.needs_migration:
        raise typer.Exit(ExitStatus.MISCONFIGURED)


def _in_words(version: "SchemaVersion") -> str:
    found = f"The tables have version {version.found}" if version.found else "The database has no tables"
    if version.needs_migration:
        return f"{found}; this brushwork makes {version.program}. Run: brushwork migrate"
    if not version.fits:
        needed = version.oldest_program or version.found
        return f"{found}. This brushwork ({version.program}) is too old: they need version {needed} or newer."
    if version.found != version.program:
        return f"{found}, newer than this brushwork ({version.program}), which works on them."
    return f"The database is up to date (version {version.found})."
