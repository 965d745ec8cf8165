"""The gate's verdict, and how it is told."""

import dataclasses
import json
import textwrap
from collections.abc import Sequence

from components.data_gate import checks

_TABLE_WIDTH = 100


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Passed when no check failed, and there was at least one."""

    passed: bool
    checks: tuple[checks.Check, ...]

    @property
    def warnings(self) -> list[str]:
        """A line for each check that warned, with the key that says when it does."""
        return [_warning(check) for check in self.checks if check.outcome == "warned"]

    @property
    def summary(self) -> str:
        """One line: how many checks, failures and warnings, and of what."""
        told = [f"{len(self.checks)} checks"]
        for outcome, word in (("failed", "failed"), ("warned", "warned of")):
            names = [check.name for check in self.checks if check.outcome == outcome]
            if names:
                told.append(f"{len(names)} {word}: {', '.join(names)}")
        return "; ".join(told)

    def to_json(self) -> str:
        """Content of `verdict.json`."""
        rows = [
            {
                **dataclasses.asdict(check),
                "outcome": check.outcome,
                "remedy": check.remedy if check.outcome != "passed" else "",
            }
            for check in self.checks
        ]
        content = {"passed": self.passed, "warnings": self.warnings, "checks": rows}
        return json.dumps(content, indent=1, ensure_ascii=False)


def decide(made: Sequence[checks.Check]) -> Verdict:
    """Lets the data pass on evidence only: no checks, no pass."""
    passed = bool(made) and all(check.outcome != "failed" for check in made)
    return Verdict(passed, tuple(made))


def explain(verdict: Verdict) -> str:
    """A plain-text table of the failed checks, and what to do about each."""
    failed = [check for check in verdict.checks if check.outcome == "failed"]
    if not failed:
        return f"the data gate made {len(verdict.checks)} checks and failed none"
    width = max(len(check.name) for check in failed)
    lines = [
        f"the data gate stopped the run: {len(failed)} of {len(verdict.checks)} checks "
        "failed",
        f"  {'check':<{width}}  {'count':>7}  {'limit':>7}  first examples",
    ]
    for check in failed:
        lines += _table_row(check, width)
    lines.append("What to do:")
    lines += [f"  {check.name}: {check.remedy}" for check in failed]
    return "\n".join(lines)


def _table_row(check: checks.Check, width: int) -> list[str]:
    value, limit = checks.number(check.value), checks.number(check.limit)
    head = f"  {check.name:<{width}}  {value:>7}  {limit:>7}  "
    lines = []
    for sentence in check.examples or ("",):
        lines += textwrap.wrap(
            sentence,
            max(_TABLE_WIDTH, len(head) + 40),
            initial_indent=head,
            subsequent_indent=" " * (len(head) + 2),
            break_long_words=False,
        ) or [head.rstrip()]
        head = " " * len(head)
    if check.num_hidden > 0 and check.examples:
        lines.append(f"{head}... and {check.num_hidden} more")
    return lines


def _warning(check: checks.Check) -> str:
    first = f": {check.examples[0]}" if check.examples else ""
    return (
        f"{check.name} {checks.number(check.value)}, limit "
        f"{checks.number(check.limit)} ({check.key}){first}"
    )
