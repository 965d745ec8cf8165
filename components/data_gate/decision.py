"""The gate's verdict, and how it is told."""

import dataclasses
import json
import textwrap
from collections.abc import Sequence

from components.data_gate import checks

_TABLE_WIDTH = 100


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Passed when every check passed, and there was at least one."""

    passed: bool
    checks: tuple[checks.Check, ...]

    def to_json(self) -> str:
        """Content of `verdict.json`."""
        rows = [
            {**dataclasses.asdict(check), "passed": check.passed}
            for check in self.checks
        ]
        content = {"passed": self.passed, "checks": rows}
        return json.dumps(content, indent=1, ensure_ascii=False)


def decide(made: Sequence[checks.Check]) -> Verdict:
    """Lets the data pass on evidence only: no checks, no pass."""
    passed = bool(made) and all(check.passed for check in made)
    return Verdict(passed, tuple(made))


def explain(verdict: Verdict) -> str:
    """A plain-text table of the failed checks, and what to do about each."""
    failed = [check for check in verdict.checks if not check.passed]
    if not failed:
        return f"the data gate made {len(verdict.checks)} checks and failed none"
    width = max(len(check.name) for check in failed)
    lines = [
        f"the data gate stopped the run: {len(failed)} of {len(verdict.checks)} checks "
        "failed",
        f"  {'check':<{width}}  {'count':>6}  {'limit':>6}  first examples",
    ]
    for check in failed:
        head = f"  {check.name:<{width}}  {check.count:>6}  {check.limit:>6}  "
        for sentence in check.examples or ("",):
            lines += textwrap.wrap(
                sentence,
                max(_TABLE_WIDTH, len(head) + 40),
                initial_indent=head,
                subsequent_indent=" " * (len(head) + 2),
                break_long_words=False,
            ) or [head.rstrip()]
            head = " " * len(head)
        hidden = check.count - len(check.examples)
        if hidden > 0 and check.examples:
            lines.append(f"{head}... and {hidden} more")
    lines.append("What to do:")
    lines += [f"  {check.name}: {check.remedy}" for check in failed]
    return "\n".join(lines)
