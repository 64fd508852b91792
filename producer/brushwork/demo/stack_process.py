"""`brushwork up` as the demonstration runs it: in a process of its own, its lines kept in a file."""

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
    """The addresses of a stack that runs within the `with` block.

    Args:
        folder: Its data folder.

    Raises:
        PartFailed: It can't be started; the error holds its last words.
    """
    data = DataFolder(folder)
    data.create()
    data.retract()
    argv = (sys.executable, "-m", "brushwork", "up", "--no-gateway", "--data", str(data.path))
    with (data.logs / "up.log").open("w", encoding="utf-8") as log:
        supervisor = Supervisor(lambda name, line: print(line, file=log, flush=True))
        # SIGTERM also where the demonstration itself is killed: the stack then stops in order.
        supervisor.start(Part("stack", argv, grace_s=GRACE_S, orphan_signal=signal.SIGTERM))
        try:
            supervisor.run(data.env_file.exists, max_deaths=1)
            yield {name: value or "" for name, value in dotenv_values(data.env_file).items()}
        finally:
            supervisor.stop()
