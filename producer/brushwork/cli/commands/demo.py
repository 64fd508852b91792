"""`brushwork demo`."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from brushwork_schemas.job import Job
from rich.table import Table
from rich.text import Text

from brushwork.cli.commands.wait import step_bars
from brushwork.cli.terminal import DATA, NEWS
from brushwork.client import Client
from brushwork.demo.contact_sheet import contact_sheet
from brushwork.demo.demo_result import DemoResult, demo_result, reading_requests
from brushwork.demo.page import page
from brushwork.demo.prompts import PROMPTS
from brushwork.demo.stack_process import embedded

LOOK_S = 0.1


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for data and pictures.")] = Path("demo"),
) -> None:
    """Run a demonstration: generate pictures from prompts, then describe, classify and segment them."""
    began = time.monotonic()
    NEWS.print("Starting Redis, the database, a worker and Flower ...")
    with embedded(out / "data") as addresses:
        NEWS.print(f"Ready after {time.monotonic() - began:.0f} s.")
        with Client(
            redis_url=addresses["BRUSHWORK_REDIS_URL"],
            database_url=addresses["BRUSHWORK_DATABASE_URL"],
            artifacts_url=addresses["BRUSHWORK_ARTIFACTS_URL"],
        ) as client:
            showings = shown(client)
            _write(showings, out)
        NEWS.print("Stopping ...")
    DATA.print(results_table(showings))
    DATA.print(f"Pictures: {out / 'index.html'} and {out / 'contact-sheet.png'}", soft_wrap=True)
    DATA.print(f"Total time: {time.monotonic() - began:.0f} s.")


def shown(client: Client) -> list[DemoResult]:
    """Generate all pictures, then describe, classify and segment them.

    Raises:
        JobFailed: One of the jobs failed.
    """
    made = client.submit_many(
        {"kind": "text-to-image", "prompt": prompt.text, "seed": prompt.seed} for prompt in PROMPTS
    )
    pictures = watched(client, made, [prompt.text for prompt in PROMPTS])
    asked = [
        request
        for prompt, picture in zip(PROMPTS, pictures, strict=True)
        for request in reading_requests(prompt, picture)
    ]
    read = client.submit_many(asked)
    readings = watched(client, read, [job.kind for job in read])
    return [
        demo_result(prompt, picture, readings[3 * index : 3 * index + 3])
        for index, (prompt, picture) in enumerate(zip(PROMPTS, pictures, strict=True))
    ]


def watched(client: Client, jobs: Sequence[Job], words: Sequence[str]) -> list[Job]:
    """Return the jobs when all have ended. Until then, a bar for each job shows its steps."""
    began = time.monotonic()
    with step_bars() as bars:
        waiting = {job.id: bars.add_task(word, total=None) for job, word in zip(jobs, words, strict=True)}
        while waiting:
            for job_id, bar in list(waiting.items()):
                state, progress = client.look(job_id)
                bars.update(bar, completed=progress.step, total=progress.total or None)
                if state.is_terminal:
                    bars.remove_task(waiting.pop(job_id))
            time.sleep(LOOK_S)
    kinds = ", ".join(dict.fromkeys(job.kind for job in jobs))
    NEWS.print(f"{len(jobs)} jobs done in {time.monotonic() - began:.1f} s: {kinds}")
    return [client.get(job.id) for job in jobs]


def results_table(showings: Sequence[DemoResult]) -> Table:
    """Return a table of the results. A result that agrees with the prompt is green."""
    table = Table("prompt", "caption", "class", "areas", "seconds", header_style="bold", show_lines=True)
    for each in showings:
        table.add_row(
            each.prompt.text,
            _marked(each.caption_text, each.caption_agrees),
            _marked(each.class_text, each.class_agrees),
            _marked(each.areas_text, each.areas_agree),
            f"{each.running_s:.2f}",
        )
    return table


def _write(showings: Sequence[DemoResult], out: Path) -> None:
    contact_sheet(showings).save(out / "contact-sheet.png", optimize=True)
    (out / "index.html").write_text(page(showings), "utf-8")


def _marked(words: str, agrees: bool) -> Text:
    return Text(words, "green" if agrees else "yellow")
