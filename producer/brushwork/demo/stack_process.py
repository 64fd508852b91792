"""Run `brushwork up` for the demonstration, in a process of its own that logs to a file."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dotenv import dotenv_values

from brushwork.embedded.child import Part
from brushwork.embedded.data_folder import DataFolder
from brushwork.embedded.supervisor import Supervisor

GRACE_S = 60.0


@contextmanager
def embedded(folder: Path) -> Iterator[dict[str, str]]:
    """Run the stack inside the `with` block, and give its addresses as environment variables.

    Args:
        folder: Data folder of the stack.

    Raises:
        PartFailed: The stack did not start. The error contains its last lines of output.
    """
    data = DataFolder(folder)
    data.create()
    data.retract()
    argv = (sys.executable, "-m", "brushwork", "up", "--no-gateway", "--data", str(data.path))
    with (data.logs / "up.log").open("w", encoding="utf-8") as log:
        supervisor = Supervisor(lambda name, line: print(line, file=log, flush=True))
        # SIGTERM even if the demonstration is killed, so that the stack stops in an orderly way.
        supervisor.start(Part("stack", argv, grace_s=GRACE_S, orphan_signal=signal.SIGTERM))
        try:
            supervisor.run(data.env_file.exists, max_deaths=1)
            yield {name: value or "" for name, value in dotenv_values(data.env_file).items()}
        finally:
            supervisor.stop()
