"""What policies cost: `python -m benchmarks.policies [--repeats 2000] [--rounds 5] [--jobs 64]`.

First, decisions about a request of 60 words: milliseconds of processor time, of all repeats the least, for
other programs only add to it. Then so many jobs at once by workers with stacks of their own, without
policies, with a list of words, and with a threshold of the pocket classifier, in turns: seconds to the last
result, and processor time of the worker. No job is refused or held. `--repeats 20 --rounds 0` is the quick
form.
"""

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from brushwork_core.policies import Policy, PolicyRequest, PolicyType
from brushwork_core.policies.policy_file import ConfiguredPolicy, PolicyTable
from brushwork_core.policies.policy_set import PolicySet
from pydantic import BaseModel

from benchmarks.settings_in_turns import print_turns
from benchmarks.signing import least_ms

PROMPT = " ".join(f"word{number}" for number in range(50)) + " 一只 红色 的 圆形 在 白色 的 背景 上 面"
NUM_WORDS, NUM_PATTERNS = 1000, 100
WORDS = f"""
[policies.words]
type = "words"
words = {[f"forbidden{number}" for number in range(NUM_WORDS)]}
"""
PATTERNS = f"""
[policies.patterns]
type = "words"
patterns = {[f"forb(i|1)dden{number}[a-z]+s?" for number in range(NUM_PATTERNS)]}
"""
CLASSIFIER = """
[policies.classifier]
type = "image-classifier"
model = "pocket-classifier"
thresholds = { star = 1.0 }
"""


def policy_sets(folder: Path) -> Iterator[tuple[str, PolicySet]]:
    """Yield policies by what they are."""
    named = {
        f"{NUM_WORDS} words": WORDS,
        f"{NUM_PATTERNS} patterns": PATTERNS,
    }
    for name, text in named.items():
        yield name, PolicySet.load(_written(folder, text))
    kind = PolicyType(name="plug-in", settings=BaseModel, build=lambda settings: Policy())
    table = PolicyTable.model_validate({"type": "plug-in"})
    yield "a plug-in that allows everything", PolicySet([ConfiguredPolicy("plug-in", table, kind, Policy())])


def print_requests(repeats: int) -> None:
    """Print what a decision about a request costs."""
    request = PolicyRequest("text-to-image", "pocket-diffusion", "", {"prompt": PROMPT})
    print("| policy | ms a request |")
    print("|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, policies in policy_sets(Path(folder)):
            spent = least_ms(lambda: policies.on_request(request), repeats)  # noqa: B023
            print(f"| {name} | {spent:.3f} |")


def print_jobs(rounds: int, number: int) -> None:
    """Print the times of many jobs at once."""
    with tempfile.TemporaryDirectory() as folder:
        texts = {f"{NUM_WORDS} words": WORDS, "image classifier": CLASSIFIER}
        settings: Mapping[str, Mapping[str, str]] = {
            name: {"BRUSHWORK_POLICIES": str(_written(Path(folder), text))} for name, text in texts.items()
        }
        print_turns({"no policy": {}, **settings}, rounds, number)


def _written(folder: Path, text: str) -> Path:
    number = len(list(folder.iterdir()))
    (file := folder / f"policies-{number}.toml").write_text(text, "utf-8")
    return file


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=64)
    chosen = parser.parse_args(arguments)
    print_requests(chosen.repeats)
    if chosen.rounds:
        print_jobs(chosen.rounds, chosen.jobs)


if __name__ == "__main__":
    main()
