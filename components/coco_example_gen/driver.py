"""Decides, before the cache is asked, which data would be read and what it is."""

import pathlib
from collections.abc import Iterable

from tfx.components.example_gen import driver, input_processor
from tfx.proto import example_gen_pb2, range_config_pb2

from components.coco_example_gen import fingerprints, layouts
from pipeline import data_config, errors

_UNUSABLE = "unusable"


class CocoInputProcessor(input_processor.FileBasedInputProcessor):
    """Resolves `{SPAN}` and `{VERSION}`, and fingerprints the folder they lead to."""

    def __init__(
        self,
        input_base_uri: str,
        splits: Iterable[example_gen_pb2.Input.Split],
        range_config: range_config_pb2.RangeConfig | None,
        layout: str,
    ):
        super().__init__(input_base_uri, splits, range_config)
        self._layout = layout

    def resolve_span_and_version(self) -> tuple[int, int | None]:
        if not self._is_match_span and not self._is_match_date:
            return 0, None
        try:
            return super().resolve_span_and_version()
        except ValueError as error:
            pattern = pathlib.Path(self._input_base_uri, self._splits[0].pattern)
            raise errors.CocoFormatError(
                f"{pattern.parent}: no folder fits the placeholders: {error}."
            ) from None

    def get_input_fingerprint(self, span: int, version: int | None) -> str:
        pattern = self.get_pattern_for_span_version(
            self._splits[0].pattern, span, version
        )
        # A driver that raises leaves its execution running in the metadata store, so
        # a folder that cannot be used is left to the executor to refuse.
        try:
            root = dataset_root(self._input_base_uri, pattern)
            return fingerprints.of_layout(layouts.detect(root, self._layout))
        except (errors.CocoFormatError, OSError):
            return _UNUSABLE


class Driver(driver.FileBasedDriver):
    """File-based driver: adds fingerprint, span and version to the cache key.

    It says nothing of the report, so the launcher keeps that output as it is.
    """

    def resolve_exec_properties(
        self, exec_properties, pipeline_info, component_info
    ) -> dict:
        settings = exec_properties["settings"]
        self._layout = data_config.IngestSettings.model_validate_json(settings).layout
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
