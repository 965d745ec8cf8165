"""Finds the model that a candidate must not fall behind."""

from ml_metadata import metadata_store
from tfx import types
from tfx.dsl.components.common import resolver
from tfx.types import standard_artifacts

from components import wire

CANDIDATE = "candidate"
MODEL = "model"
BLESSING = "model_blessing"


class LatestOtherBlessedModel(resolver.ResolverStrategy):
    """Resolves the latest blessed model that is not the candidate itself.

    TFX's own strategy answers with the candidate once that has been blessed, so an
    unchanged second run would have a new baseline and nothing after it could be
    cached. Leaving the candidate out keeps an unchanged run a run of cache hits.
    """

    def resolve_artifacts(
        self,
        store: metadata_store.MetadataStore,
        input_dict: dict[str, list[types.Artifact]],
    ) -> dict[str, list[types.Artifact]]:
        """See the base class; keys are `CANDIDATE`, `MODEL` and `BLESSING`."""
        candidates = {artifact.id for artifact in input_dict.get(CANDIDATE, [])}
        blessings = {
            blessing.get_int_custom_property(wire.CURRENT_MODEL_ID): blessing
            for blessing in input_dict.get(BLESSING, [])
            if blessing.get_int_custom_property(wire.BLESSED) == 1
        }
        found = [
            model
            for model in input_dict.get(MODEL, [])
            if model.id in blessings and model.id not in candidates
        ]
        latest = max(found, key=lambda model: model.id, default=None)
        return {
            CANDIDATE: input_dict.get(CANDIDATE, []),
            MODEL: [latest] if latest else [],
            BLESSING: [blessings[latest.id]] if latest else [],
        }


def channels(candidate: types.BaseChannel) -> dict:
    """Channels of the resolver node, given the trainer's model channel."""
    return {
        CANDIDATE: candidate,
        MODEL: types.Channel(type=standard_artifacts.Model),
        BLESSING: types.Channel(type=standard_artifacts.ModelBlessing),
    }
