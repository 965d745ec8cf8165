import pytest
import yaml
from tfx.orchestration.kubeflow.v2 import compiler_utils
from tfx.types import artifact_utils

from components import artifact_types

TYPES = {
    "mask2former.IngestionReport": artifact_types.IngestionReport,
    "mask2former.DataVerdict": artifact_types.DataVerdict,
}


@pytest.mark.parametrize(("name", "kind"), TYPES.items())
def test_the_metadata_of_earlier_runs_goes_by_this_name(name, kind):
    stored = kind().artifact_type
    assert stored.name == name
    # What reads the database: without the class, and by its name alone.
    found = artifact_utils.get_artifact_type_class(stored)
    assert found is kind
    assert not stored.properties  # counts and verdicts are custom properties


@pytest.mark.parametrize(("name", "kind"), TYPES.items())
def test_vertex_takes_the_name_as_the_title_of_a_schema(name, kind):
    schema = yaml.safe_load(compiler_utils.get_artifact_schema(kind))
    assert schema["title"] == name
    (named,) = (n for n in vars(artifact_types) if name == f"mask2former.{n}")
    assert getattr(artifact_types, named) is kind  # a pod finds it by this name
