"""Decides, before the cache is asked, which data would be read and what it is."""

import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

from tfx.components.example_gen import driver, input_processor
from tfx.orchestration import data_types
from tfx.proto import example_gen_pb2, range_config_pb2

from components.coco_example_gen import fingerprints, ingest_settings
from components.coco_example_gen.read import layouts
from foundation import errors

_UNUSABLE = "unusable"


class RootProcessor(input_processor.FileBasedInputProcessor):
    """Resolves `{SPAN}` and `{VERSION}` of one root."""

    def resolve_span_and_version(self) -> tuple[int, int | None]:
        if not self._is_match_span and not self._is_match_date:
            return 0, None
        try:
            return super().resolve_span_and_version()
        except ValueError as error:
            pattern = pathlib.Path(
                self._input_base_uri, next(iter(self._splits)).pattern
            )
            raise errors.CocoFormatError(
                f"{pattern.parent}: no folder fits the placeholders: {error}."
            ) from None


class CocoInputProcessor(input_processor.InputProcessor):
    """Takes the latest span and version of each root, and fingerprints all of them.

    To TFX the roots are splits of the input, of which it has one span and version: the
    highest, and the version of the first root that has it.
    """

    def __init__(
        self,
        input_base_uri: str,
        splits: Iterable[example_gen_pb2.Input.Split],
        range_config: range_config_pb2.RangeConfig | None,
        layout: str,
    ):
        super().__init__(splits, range_config)
        self._input_base = input_base_uri
        self._layout = layout
        self._processors = {
            split.pattern: RootProcessor(input_base_uri, [split], range_config)
            for split in splits
        }
        self._found: dict[str, tuple[int, int | None]] = {}

    def resolve_span_and_version(self) -> tuple[int, int | None]:
        for pattern, processor in self._processors.items():
            self._found[pattern] = processor.resolve_span_and_version()
        return max(self._found.values(), key=lambda found: found[0])

    def get_pattern_for_span_version(
        self, pattern: str, span: int, version: int | None
    ) -> str:
        return self._processors[pattern].get_pattern_for_span_version(
            pattern, *self._found[pattern]
        )

    def get_latest_span(self) -> int:
        return self.resolve_span_and_version()[0]

    def get_input_fingerprint(self, span: int, version: int | None) -> str:
        patterns = [
            self.get_pattern_for_span_version(split.pattern, span, version)
            for split in self._splits
        ]
        # A driver that raises leaves its execution running in the metadata store, so
        # a folder that cannot be used is left to the executor to refuse.
        try:
            roots = [dataset_root(self._input_base, pattern) for pattern in patterns]
            found = layouts.detect_all(roots, self._layout)
            return fingerprints.of_layouts(found)
        except (errors.CocoFormatError, OSError):
            return _UNUSABLE


class Driver(driver.FileBasedDriver):
    """File-based driver: adds fingerprint, span and version to the cache key.

    It says nothing of the report, so the launcher keeps that output as it is.
    """

    def resolve_exec_properties(
        self,
        exec_properties: dict[str, Any],
        pipeline_info: data_types.PipelineInfo,
        component_info: data_types.ComponentInfo,
    ) -> dict[str, Any]:
        settings = exec_properties["settings"]
        found = ingest_settings.IngestSettings.model_validate_json(settings)
        self._layout = found.layout
        return super().resolve_exec_properties(
            exec_properties, pipeline_info, component_info
        )

    def get_input_processor(
        self,
        splits: Iterable[example_gen_pb2.Input.Split],
        range_config: range_config_pb2.RangeConfig | None = None,
        input_base_uri: str | None = None,
    ) -> CocoInputProcessor:
        return CocoInputProcessor(
            input_base_uri or "", splits, range_config, self._layout
        )


def input_of(roots: Sequence[str]) -> tuple[str, list[example_gen_pb2.Input.Split]]:
    """The folders as TFX takes them: a base, and a pattern below it for each.

    Raises:
        ConfigError: some are absolute and some are not, so nothing holds all of them.
    """
    parted = [split_at_placeholder(root) for root in roots]
    bases = [base for base, _ in parted]
    if len(roots) == 1:
        names = ["dataset"]
    else:
        names = [f"dataset-{number}" for number in range(1, len(roots) + 1)]
    try:
        shared = bases[0] if len(bases) == 1 else os.path.commonpath(bases)
    except ValueError:
        raise errors.ConfigError(
            f"data folders {', '.join(roots)}: some are absolute and some relative. "
            "Give absolute paths."
        ) from None
    splits = []
    for name, (base, pattern) in zip(names, parted, strict=True):
        below = pathlib.PurePath(base).relative_to(shared)
        place = pattern if base == shared else f"{below}/{pattern}"
        splits.append(example_gen_pb2.Input.Split(name=name, pattern=place))
    return shared, splits


def latest_roots(roots: Sequence[str]) -> list[pathlib.Path]:
    """The folders that a run would read, `{SPAN}` and `{VERSION}` resolved.

    Raises:
        CocoFormatError: no folder fits the placeholders.
        ConfigError: as in `input_of`.
    """
    base, splits = input_of(roots)
    processor = CocoInputProcessor(base, splits, None, layout="auto")
    found = processor.resolve_span_and_version()
    return [
        dataset_root(base, processor.get_pattern_for_span_version(s.pattern, *found))
        for s in splits
    ]


def dataset_roots(
    input_base: str, splits: Iterable[example_gen_pb2.Input.Split]
) -> list[pathlib.Path]:
    """The folders that patterns without placeholders lead to."""
    return [dataset_root(input_base, split.pattern) for split in splits]


def split_at_placeholder(input_base: str) -> tuple[str, str]:
    """Parts `/data/day-{SPAN}/set` into `/data` and the pattern `day-{SPAN}/set/*`.

    TFX looks for files that match the pattern below the first part.
    """
    parts = pathlib.PurePath(input_base).parts
    for index, part in enumerate(parts):
        if "{" in part:
            base = str(pathlib.PurePath(*parts[:index]))
            return base, "/".join((*parts[index:], "*"))
    return input_base, "*"


def dataset_root(input_base: str, pattern: str) -> pathlib.Path:
    """The folder that a pattern without placeholders leads to."""
    return pathlib.Path(input_base) / pathlib.PurePath(pattern).parent
