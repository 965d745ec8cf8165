"""The Dockerfile, read once."""

import dataclasses
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]


@dataclasses.dataclass
class Stage:
    """One FROM and what follows it; `base` may be a stage."""

    name: str
    base: str
    steps: list[tuple[str, str]]


@dataclasses.dataclass
class Dockerfile:
    """Global arguments, and stages by name in their order."""

    arguments: dict[str, str]
    stages: dict[str, Stage]

    def steps(self, name):
        """All steps that made the final layers of a stage, its bases' first."""
        stage = self.stages[name]
        inherited = self.steps(stage.base) if stage.base in self.stages else []
        return [*inherited, *stage.steps]


def parse(text):
    joined = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    found = Dockerfile({}, {})
    current = None
    for line in filter(str.strip, joined.splitlines()):
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            current = found.stages[name] = Stage(name, base, [])
        elif current is None:
            name, _, value = rest.partition("=")
            found.arguments[name] = value
        else:
            current.steps.append((word, " ".join(rest.split())))
    return found


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def dockerfile():
    return parse((ROOT / "docker" / "Dockerfile").read_text())
