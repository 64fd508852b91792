"""The commands of `brushwork`, all in one list."""

from collections.abc import Callable

import typer

from brushwork.cli.catalogue_commands import kinds
from brushwork.cli.demo_command import demo
from brushwork.cli.doctor_command import doctor
from brushwork.cli.exit_status import epilog
from brushwork.cli.gateway_command import gateway
from brushwork.cli.job_commands import cancel, jobs, show
from brushwork.cli.key_commands import keys
from brushwork.cli.model_commands import models
from brushwork.cli.preview_command import preview
from brushwork.cli.prune_command import prune
from brushwork.cli.queue_command import queues
from brushwork.cli.retry_command import retry
from brushwork.cli.service_commands import migrate, worker, workers
from brushwork.cli.submit_command import submit
from brushwork.cli.up_command import up
from brushwork.cli.upload_command import upload
from brushwork.cli.wait_command import wait
from brushwork.cli.webhook_commands import webhooks

app = typer.Typer(
    name="brushwork",
    help="A queue for image work by open, local models: pictures, captions, labels and masks.",
    epilog=epilog(),
    no_args_is_help=True,
    rich_markup_mode="rich",
    # Errors made on purpose are printed by `main`; any other is a bug, best shown as Python does.
    pretty_exceptions_enable=False,
)

RUN, USE, LOOK = "Run a service", "Use it", "Look around"
PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    RUN: (up, worker, gateway, migrate, prune, demo),
    USE: (submit, wait, preview, cancel, retry, upload),
    LOOK: (jobs, show, kinds, workers, queues, doctor),
}
for panel, commands in PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.add_typer(keys, rich_help_panel=RUN)
app.add_typer(webhooks, rich_help_panel=RUN)
app.add_typer(models, rich_help_panel=LOOK)
