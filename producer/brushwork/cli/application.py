"""The list of all commands of `brushwork`."""

from collections.abc import Callable

import typer

from brushwork.cli.commands.audit import audit
from brushwork.cli.commands.catalogue import kinds
from brushwork.cli.commands.check_files import check_files
from brushwork.cli.commands.demo import demo
from brushwork.cli.commands.doctor import doctor
from brushwork.cli.commands.gateway import gateway
from brushwork.cli.commands.jobs import cancel, delete, jobs, show
from brushwork.cli.commands.keys import keys
from brushwork.cli.commands.migrate import migrate
from brushwork.cli.commands.models import models
from brushwork.cli.commands.preview import preview
from brushwork.cli.commands.prune import prune
from brushwork.cli.commands.queues import queues
from brushwork.cli.commands.retry import retry
from brushwork.cli.commands.services import worker, workers
from brushwork.cli.commands.submit import submit, upload
from brushwork.cli.commands.up import up
from brushwork.cli.commands.wait import wait
from brushwork.cli.commands.webhooks import webhooks
from brushwork.cli.exit_status import epilog
from brushwork.cli.operations import OperationCommand
from brushwork.cli.provenance.commands import provenance
from brushwork.cli.review import review

app = typer.Typer(
    name="brushwork",
    help="A job queue for image models on your own machines: pictures, captions, classes and masks.",
    epilog=epilog(),
    no_args_is_help=True,
    rich_markup_mode="rich",
    # `main` prints the errors of brushwork. Any other exception is a bug and gets a plain traceback.
    pretty_exceptions_enable=False,
)

RUN, USE, LOOK = "Run a service", "Submit and follow jobs", "Inspect"
PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    RUN: (up, worker, gateway, migrate, prune, demo),
    USE: (submit, wait, preview, cancel, retry, delete, upload),
    LOOK: (jobs, show, kinds, workers, queues, doctor, check_files, audit),
}
OPERATIONS = (up, worker, gateway, migrate, prune, doctor, check_files, audit)
for panel, commands in PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel, cls=OperationCommand if command in OPERATIONS else None)(command)
app.add_typer(keys, rich_help_panel=RUN)
app.add_typer(review, rich_help_panel=RUN)
app.add_typer(webhooks, rich_help_panel=RUN)
app.add_typer(models, rich_help_panel=LOOK)
app.add_typer(provenance, name="provenance", rich_help_panel=LOOK)
