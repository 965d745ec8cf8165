from tfx.types import standard_artifacts

from pipeline.nodes import baseline_resolver


def model(number: int) -> standard_artifacts.Model:
    artifact = standard_artifacts.Model()
    artifact.id = number
    return artifact


def blessing(model_id: int, blessed: int) -> standard_artifacts.ModelBlessing:
    artifact = standard_artifacts.ModelBlessing()
    artifact.set_int_custom_property("current_model_id", model_id)
    artifact.set_int_custom_property("blessed", blessed)
    return artifact


def resolve(candidate: int, blessings: dict[int, int]) -> list[int]:
    resolved = baseline_resolver.LatestOtherBlessedModel().resolve_artifacts(
        None,
        {
            baseline_resolver.CANDIDATE: [model(candidate)],
            baseline_resolver.MODEL: [model(number) for number in (1, 2, 3, candidate)],
            baseline_resolver.BLESSING: [blessing(*item) for item in blessings.items()],
        },
    )
    return [artifact.id for artifact in resolved[baseline_resolver.MODEL]]


def test_the_latest_blessed_model_is_the_baseline():
    assert resolve(candidate=4, blessings={1: 1, 2: 1, 3: 0}) == [2]


def test_the_candidate_is_never_its_own_baseline():
    assert resolve(candidate=2, blessings={1: 1, 2: 1}) == [1]


def test_without_another_blessed_model_there_is_no_baseline():
    assert resolve(candidate=1, blessings={1: 1, 2: 0}) == []
