import hashlib

import pytest
from tfx.proto.orchestration import pipeline_pb2

from foundation import artifact_paths, errors
from pipeline.nodes import ir


def graph(**upstream):
    """A graph given as node=[nodes before it]."""
    made = pipeline_pb2.Pipeline()
    for node_id, before in upstream.items():
        node = made.nodes.add().pipeline_node
        node.node_info.id = node_id
        node.upstream_nodes.extend(before)
    return made


def test_the_digest_is_of_nodes_and_edges():
    digest = ir.graph_digest(graph(a=[], b=["a"], c=["a", "b"]))
    assert digest == ir.graph_digest(graph(b=["a"], a=[], c=["b", "a"]))
    assert digest != ir.graph_digest(graph(a=[], b=["a"], c=["a"]))
    assert digest != ir.graph_digest(graph(a=[], b=["a"], d=["a", "b"]))
    with_root = graph(a=[], b=["a"], c=["a", "b"])
    with_root.runtime_spec.pipeline_root.field_value.string_value = "/elsewhere"
    assert digest == ir.graph_digest(with_root)


def test_what_is_written_is_read_back_and_named_by_its_content(tmp_path):
    reference = ir.write(graph(a=[], b=["a"]), tmp_path)
    assert ir.read(reference) == graph(a=[], b=["a"])
    (file,) = (tmp_path / "pipeline_ir").iterdir()
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    assert reference == f"{file}#{sha256}"
    assert file.name == f"{sha256}.pb"
    assert ir.root_of(reference) == tmp_path
    assert ir.write(graph(a=[], b=["a"]), tmp_path) == reference


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_a_root_may_hold_the_character_that_stands_before_the_digest(
    tmp_path, kind, request
):
    root = tmp_path / "a#b"
    if kind == "bucket":
        request.getfixturevalue("gcs")
        root = artifact_paths.of("gs://bucket/a#b")
    reference = ir.write(graph(a=[]), root)
    assert ir.read(reference) == graph(a=[])
    assert ir.root_of(reference) == root


def test_a_file_that_was_changed_is_refused(tmp_path):
    reference = ir.write(graph(a=[]), tmp_path)
    (file,) = (tmp_path / "pipeline_ir").iterdir()
    file.write_bytes(graph(b=[]).SerializeToString())
    with pytest.raises(errors.ConfigError, match="changed after") as caught:
        ir.read(reference)
    assert reference.partition("#")[2] in str(caught.value)


def test_a_file_that_is_gone_or_no_graph_is_refused(tmp_path):
    with pytest.raises(errors.ConfigError, match="No such file.*same volume"):
        ir.read(f"{tmp_path / 'gone.pb'}#00")
    file = tmp_path / "text.pb"
    file.write_bytes(b"\xff\xff\xff")
    digest = hashlib.sha256(b"\xff\xff\xff").hexdigest()
    with pytest.raises(errors.ConfigError, match="no compiled pipeline"):
        ir.read(f"{file}#{digest}")


def test_a_node_is_found_by_its_id_and_others_are_refused():
    found = graph(Trainer=[], Pusher=["Trainer"])
    assert list(ir.find_node(found, "Pusher").upstream_nodes) == ["Trainer"]
    with pytest.raises(errors.ConfigError, match="'Tuner'.*Trainer, Pusher"):
        ir.find_node(found, "Tuner")


def test_the_artifact_root_is_known_before_and_after_a_run_is_bound():
    found = graph(a=[])
    root = found.runtime_spec.pipeline_root
    root.runtime_parameter.default_value.string_value = "/volume/demo"
    assert str(ir.artifact_root(found)) == "/volume/demo"
    root.field_value.string_value = "/volume/demo"
    assert str(ir.artifact_root(found)) == "/volume/demo"
