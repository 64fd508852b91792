"""A worker that writes a line for each batch: `python -m tests.fairness.watched_worker FILE worker ...`."""

import json
import sys
from collections import Counter
from pathlib import Path

from brushwork.cli import main
from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.stats import BatchStats


def watch(file: Path) -> None:
    """Let each batch of this process add a line to a file: when it began, of which module, whose rows."""
    output = file.open("a", buffering=1)
    ended = Batcher._end_batch

    def end_batch(batcher: Batcher, stats: BatchStats) -> None:
        rows: Counter[str] = Counter()
        for call in stats.batch.calls:
            stop = getattr(call.caller, "stop", None)
            rows[stop.claim.job_id if stop is not None else ""] += call.rows
        line = {"began_s": stats.began_s, "took_s": stats.took_s, "part": stats.options.part, "rows": rows}
        output.write(json.dumps(line) + "\n")
        ended(batcher, stats)

    Batcher._end_batch = end_batch  # type: ignore[method-assign]


if __name__ == "__main__":
    watch(Path(sys.argv[1]))
    main(sys.argv[2:])
