"""Reads a configuration from YAML and explains what is wrong with one."""

import pathlib
import types
import typing
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import pydantic
import yaml

from foundation import errors
from pipeline.settings import config


class _StrictLoader(yaml.SafeLoader):
    """Safe, and two equal keys are an error instead of the first one lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} stands here twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def presets() -> list[str]:
    """Names of the configurations that come with the package."""
    folder = resources.files("pipeline") / "configs"
    return sorted(f.name for f in folder.iterdir() if f.name.endswith(".yaml"))


def load_preset(name: str, overrides: Sequence[str] = ()) -> config.PipelineConfig:
    """Like `load`, but never takes a file of that name in the current folder."""
    return load(str(resources.files("pipeline") / "configs" / name), overrides)


def load(source: str, overrides: Sequence[str] = ()) -> config.PipelineConfig:
    """Reads a configuration and applies `section.key=value` overrides.

    Args:
        source: a YAML file, or the name of a preset such as `demo.yaml`.
        overrides: texts like `train.batch_size=4`; values are read as YAML.

    Raises:
        ConfigError: naming the key, the value and what would be accepted.
    """
    return from_values(_read_yaml(source), overrides, source)


def from_values(
    values: dict[str, Any], overrides: Sequence[str], source: str
) -> config.PipelineConfig:
    """Checks values that were read before, `overrides` applied.

    Args:
        values: sections, as YAML or JSON give them; changed by the overrides.
        source: where they come from, for messages.

    Raises:
        ConfigError: naming the key, the value and what would be accepted.
    """
    for override in overrides:
        _apply_override(values, override)
    try:
        return config.PipelineConfig.model_validate(values)
    except pydantic.ValidationError as error:
        raise errors.ConfigError(_explain(source, error, overrides)) from None


def _read_yaml(source: str) -> dict[str, Any]:
    path = pathlib.Path(source)
    if not path.is_file():
        preset = resources.files("pipeline") / "configs" / path.name
        if path.parent != pathlib.Path() or not preset.is_file():
            raise errors.ConfigError(
                f"no configuration file {source!r}. Give a path to a YAML file or one "
                f"of the presets: {', '.join(presets())}."
            )
        path = preset
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _StrictLoader)  # noqa: S506
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        reason = " ".join(str(error).split())
        raise errors.ConfigError(f"{source}: not readable as YAML: {reason}.") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise errors.ConfigError(
            f"{source}: holds a {type(values).__name__}, wanted sections such as "
            "`train:` with keys under them."
        )
    return values


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    parts = key.strip().split(".")
    if not separator or not all(parts):
        raise errors.ConfigError(
            f"--set {override!r}: wanted section.key=value, as in train.batch_size=4."
        )
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise errors.ConfigError(f"--set {override!r}: {reason}.") from None
    section = values
    for part in parts[:-1]:
        section = section.setdefault(part, {})
        if not isinstance(section, dict):
            raise errors.ConfigError(f"--set {override!r}: {part!r} is not a section.")
    section[parts[-1]] = value


def _explain(
    source: str, error: pydantic.ValidationError, overrides: Sequence[str]
) -> str:
    overridden = {override.partition("=")[0].strip() for override in overrides}
    lines = []
    for problem in error.errors()[:20]:
        key = ".".join(str(part) for part in problem["loc"]) or "the file"
        key = f"--set {key}" if key in overridden else key
        if problem["type"] == "extra_forbidden":
            lines.append(f"{key}: unknown key. {_known_keys(problem['loc'])}")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{key}: {_shown(problem)}{message}")
    joined = "\n  ".join(lines)
    return f"{source}: the configuration cannot be used:\n  {joined}"


def _shown(problem: Mapping[str, object]) -> str:
    """What was got; a rule about a whole section names its keys itself."""
    value = problem["input"]
    if isinstance(value, dict) and problem["type"] == "value_error":
        return ""
    text = repr(value)
    return f"got {text if len(text) <= 60 else text[:57] + '...'}: "


def _known_keys(location: tuple[Any, ...]) -> str:
    section: Any = config.PipelineConfig
    for part in location[:-1]:
        if not hasattr(section, "model_fields"):  # a mapping or list of sections
            section = _section_among(section)
        else:
            section = section.model_fields[part].annotation
            if isinstance(section, types.UnionType):
                section = _section_among(section)
    return f"Known here: {', '.join(section.model_fields)}."


def _section_among(annotation: Any) -> Any:
    arguments = typing.get_args(annotation)
    return next(kind for kind in arguments if hasattr(kind, "model_fields"))
