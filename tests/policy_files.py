"""Files of policies for tests, and a type of policy that does as the test says."""

from collections.abc import Callable
from pathlib import Path

from brushwork_core.policies import Decision, Policy, PolicyRequest, PolicyResult, PolicyType
from brushwork_core.policies.policy_file import ConfiguredPolicy, PolicyTable
from brushwork_core.policies.policy_set import PolicySet
from pydantic import BaseModel

WORDS = """
[policies.no-weapons]
type = "words"
words = ["gun", "暴力"]
patterns = ['kn(i|1)fe+s?']
reason = "Weapons are not allowed here."
"""

ACTIONS = ("flag", "blur", "hold", "refuse")


def written(folder: Path, text: str = WORDS) -> Path:
    """A file of policies."""
    (file := folder / "policies.toml").write_text(text, "utf-8")
    return file


class Scripted(Policy):
    """A policy that calls functions of a test."""

    def __init__(
        self,
        on_request: Callable[[PolicyRequest], Decision | None] = lambda request: None,
        on_result: Callable[[PolicyResult], Decision | None] = lambda result: None,
    ) -> None:
        self._on_request, self._on_result = on_request, on_result

    def check_request(self, request: PolicyRequest) -> Decision | None:
        return self._on_request(request)

    def check_result(self, result: PolicyResult) -> Decision | None:
        return self._on_result(result)


def policies_of(policy: Policy, *, name: str = "scripted", **table: object) -> PolicySet:
    """One policy, as if a plug-in had registered its type."""
    kind = PolicyType(name="scripted", settings=BaseModel, build=lambda settings: policy)
    fields = PolicyTable.model_validate({"type": "scripted", **table})
    return PolicySet([ConfiguredPolicy(name, fields, kind, policy)])


def stars(folder: Path) -> Path:
    """Policies of the tenants `stars-hold`, `words-hold`, ...: each does so with a star, or a word."""
    tables = [
        f"""
[policies.{action}]
type = "image-classifier"
model = "pocket-classifier"
thresholds = {{ star = 0.8 }}
action = "{action}"
reason = "It shows a star."
tenants = ["stars-{action}"]
kinds = ["text-to-image"]

[policies.words-{action}]
type = "words"
words = ["purple"]
action = "{action}"
reason = "It names a colour."
tenants = ["words-{action}"]
"""
        for action in ACTIONS
    ]
    words = """
[policies.words]
type = "words"
words = ["purple"]
tenants = ["stars-words"]
"""
    return written(folder, "".join([*tables, words]))
