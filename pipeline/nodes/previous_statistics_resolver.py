"""Finds the statistics of the data before, which drift is judged against."""

import dataclasses

from ml_metadata import metadata_store
from tfx import types
from tfx.dsl.components.common import resolver
from tfx.types import standard_artifacts

from components import wire
from pipeline.metadata import store as metadata

CURRENT = "current"
STATISTICS = "statistics"


@dataclasses.dataclass(frozen=True)
class _Data:
    """What statistics were computed of."""

    span: int
    fingerprint: str


class PreviousStatistics(resolver.ResolverStrategy):
    """Resolves the statistics of the latest other data that passed the gate.

    With `{SPAN}` that is the nearest span below, else the data of an earlier run. Only
    statistics older than the current ones are looked at, and none of the same data: so
    an unchanged run finds what it found before, and its gate is a cache hit.
    """

    def resolve_artifacts(
        self,
        store: metadata_store.MetadataStore,
        input_dict: dict[str, list[types.Artifact]],
    ) -> dict[str, list[types.Artifact]]:
        """See the base class; keys are `CURRENT` and `STATISTICS`."""
        current = input_dict.get(CURRENT, [])
        found = []
        if current:
            reader = metadata.Store(store)
            found = _latest(reader, current[0].id, input_dict.get(STATISTICS, []))
        return {CURRENT: current, STATISTICS: found}


def _latest(
    reader: metadata.Store, current_id: int, known: list[types.Artifact]
) -> list[types.Artifact]:
    current = _data_of(reader, current_id)
    others = []
    for artifact in known:
        if artifact.id < current_id:
            data = _data_of(reader, artifact.id)
            if data.fingerprint != current.fingerprint and data.span <= current.span:
                # A lower span goes before another version of the same one.
                rank = (data.span < current.span, data.span, artifact.id)
                others.append((rank, artifact))
    others.sort(key=lambda other: other[0], reverse=True)
    return [a for _, a in others if _passed(reader, a.id)][:1]


def _data_of(reader: metadata.Store, statistics_id: int) -> _Data:
    (examples,) = reader.producer(statistics_id).inputs[wire.EXAMPLES]
    return _Data(
        int(examples.properties.get(wire.SPAN, 0)),
        str(examples.properties.get(wire.INPUT_FINGERPRINT, "")),
    )


def _passed(reader: metadata.Store, statistics_id: int) -> bool:
    """Did a gate judge these statistics, and let the data pass?"""
    return any(
        execution.state in ("complete", "cached") and wire.VERDICT in execution.outputs
        for execution in reader.consumers(statistics_id)
        if any(
            artifact.artifact_id == statistics_id
            for artifact in execution.inputs.get(wire.STATISTICS, [])
        )
    )


def channels(statistics: types.BaseChannel) -> dict:
    """Channels of the resolver node, given those of the current statistics."""
    return {
        CURRENT: statistics,
        STATISTICS: types.Channel(type=standard_artifacts.ExampleStatistics),
    }
