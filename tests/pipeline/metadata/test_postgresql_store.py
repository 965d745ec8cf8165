from ml_metadata.proto import metadata_store_pb2 as pb
from ml_metadata.proto import metadata_store_service_pb2 as service

from pipeline.metadata import postgresql_store

PATH = "C:\\data"
STORED = f"C:{postgresql_store.STAND_IN}data"


def request(text):
    """A call with texts in a field, a repeated field, maps and messages inside."""
    made = service.PutExecutionRequest()
    made.execution.name = text
    made.execution.properties["a"].string_value = text
    made.execution.custom_properties["b"].struct_value["c"] = text
    made.execution.custom_properties["n"].int_value = 92  # the code of a backslash
    pair = made.artifact_event_pairs.add()
    pair.artifact.uri = text
    pair.event.path.steps.add().key = text
    made.contexts.add(name="plain")
    return made


def test_every_backslash_of_a_call_is_replaced_and_put_back():
    found = request(PATH)
    postgresql_store.translate(
        found, postgresql_store.BACKSLASH, postgresql_store.STAND_IN
    )
    assert found == request(STORED)
    postgresql_store.translate(
        found, postgresql_store.STAND_IN, postgresql_store.BACKSLASH
    )
    assert found == request(PATH)


def test_texts_in_a_list_are_replaced_too():
    found = service.GetArtifactsByURIRequest(uris=[PATH, "plain", PATH])
    postgresql_store.translate(
        found, postgresql_store.BACKSLASH, postgresql_store.STAND_IN
    )
    assert list(found.uris) == [STORED, "plain", STORED]


def test_numbers_and_states_are_left_alone():
    found = pb.Execution(id=92, last_known_state=pb.Execution.COMPLETE)
    before = pb.Execution()
    before.CopyFrom(found)
    postgresql_store.translate(found, postgresql_store.BACKSLASH, "x")
    assert found == before


def test_rows_are_put_into_the_order_they_were_asked_for():
    found = service.GetArtifactsByIDResponse()
    for artifact_id in (11, 7, 9):
        found.artifacts.add(id=artifact_id, uri=f"/{artifact_id}")
    postgresql_store.align(found.artifacts, [7, 9, 10, 11, 9])
    rows = [(row.id, row.uri) for row in found.artifacts]
    assert rows == [(7, "/7"), (9, "/9"), (11, "/11"), (9, "/9")]
