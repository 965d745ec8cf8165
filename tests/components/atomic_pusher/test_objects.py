"""Pushes into an object store, where nothing is renamed in one step."""

import concurrent.futures
import json

import fake_gcs
import pytest

from components.atomic_pusher import staging
from foundation import artifact_paths, artifact_trees

FILES = ("assets.extra/info.json", "saved_model.pb", "variables/variables.index")


@pytest.fixture
def place(gcs, request):
    return artifact_paths.of(f"gs://bucket/{request.node.name}")


@pytest.fixture
def node(place):
    return place / "Pusher"


@pytest.fixture
def base(place):
    return place / "serving"


def copied(node, base, execution_id=7, version="100"):
    """A push that has copied everything and put nothing into place."""
    pushed = node / "pushed_model" / str(execution_id)
    staged = staging.begin(pushed, base) / version
    for name in FILES:
        (staged / name).parent.mkdir()
        (staged / name).write_text(f"{name} of {execution_id}")
    return pushed, staged


def in_serving(store, base):
    """Names of all objects, without the marks of folders."""
    names = store.names(f"{base}/")
    return [n.removeprefix(f"{base}/") for n in names if not n.endswith("/")]


def whole(version):
    return sorted(f"{version}/{name}" for name in FILES)


def test_all_of_a_version_is_there_and_nothing_else(gcs, node, base):
    pushed, staged = copied(node, base)
    assert not any(name.startswith("100/") for name in in_serving(gcs, base))
    assert staging.finish(pushed, staged) == base / "100"
    assert in_serving(gcs, base) == whole(100)
    staging.forget(node, 7)
    staging.undo(node, 7)
    assert in_serving(gcs, base) == whole(100)


def test_a_version_that_is_taken_is_left_alone_and_a_higher_one_is_used(
    gcs, node, base
):
    gcs.write(f"{base}/100/saved_model.pb", b"older")
    version = staging.finish(*copied(node, base))
    assert 100 < int(version.name) <= 108
    assert gcs.read(f"{base}/100/saved_model.pb") == b"older"
    assert in_serving(gcs, base) == ["100/saved_model.pb", *whole(version.name)]


def test_a_number_that_another_push_wants_is_left_to_it(gcs, node, base):
    gcs.write(f"{base}/.claim-100-other", b"")
    version = staging.finish(*copied(node, base))
    assert int(version.name) > 100
    assert in_serving(gcs, base) == [".claim-100-other", *whole(version.name)]


def test_pushes_at_the_same_moment_never_mix_their_files(gcs, node, base):
    pushes = [copied(node, base, number) for number in range(1, 5)]
    with concurrent.futures.ThreadPoolExecutor(len(pushes)) as pool:
        versions = list(pool.map(lambda push: staging.finish(*push), pushes))
    assert len(set(versions)) == len(pushes)
    expected = [name for v in versions for name in whole(v.name)]
    assert in_serving(gcs, base) == sorted(expected)
    for number, version in enumerate(versions, start=1):
        for name in FILES:
            assert (version / name).read_text() == f"{name} of {number}"


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_a_push_that_fails_on_its_way_is_not_complete_and_is_taken_back(
    gcs, node, base, moved
):
    pushed, staged = copied(node, base)
    gcs.fail_next(1, status=403, pattern="rewriteTo", after=moved)
    with pytest.raises(PermissionError):
        staging.finish(pushed, staged)
    there = in_serving(gcs, base)
    assert "100/saved_model.pb" not in there
    assert len([name for name in there if name.startswith("100/")]) == moved
    staging.undo(node, 7)
    assert in_serving(gcs, base) == []


def test_whichever_request_is_refused_no_half_of_a_version_is_published(gcs, place):
    failed = []
    for number in fake_gcs.each_refused(gcs):
        node, base = place / f"Pusher{number}", place / f"serving{number}"
        staged = base / ".pushing-x" / "100"
        for name in FILES:
            gcs.write(f"{staged}/{name}", b"")
        note = {"staging": str(staged.parent)}
        gcs.write(f"{node}/.system/pushing/7.json", json.dumps(note).encode())
        try:
            assert staging.finish(node / "pushed_model" / "7", staged) == base / "100"
        except OSError:
            failed.append((node, base))
            is_seen = "100/saved_model.pb" in in_serving(gcs, base)
        else:
            is_seen = True
        assert not is_seen or set(whole(100)) <= set(in_serving(gcs, base))
    assert len(failed) > 10
    for node, base in failed:
        staging.undo(node, 7)
        assert in_serving(gcs, base) == []


def test_a_push_that_could_not_be_taken_back_is_not_forgotten(gcs, place):
    failed = []
    for number in fake_gcs.each_refused(gcs):
        node, base = place / f"Pusher{number}", place / f"serving{number}"
        for name in (*whole(100), ".claim-100-x", ".pushing-x/100/left"):
            gcs.write(f"{base}/{name}", b"")
        places = {"staging": ".pushing-x", "version": "100", "claim": ".claim-100-x"}
        note = {key: f"{base}/{name}" for key, name in places.items()}
        gcs.write(f"{node}/.system/pushing/7.json", json.dumps(note).encode())
        try:
            staging.undo(node, 7)
        except OSError:
            failed.append((node, base))
            assert gcs.names(f"{node}/.system/pushing/7.json")
        else:
            assert in_serving(gcs, base) == []
        there = set(in_serving(gcs, base))
        assert "100/saved_model.pb" not in there or set(whole(100)) <= there
    assert len(failed) > 5
    for node, base in failed:
        staging.undo(node, 7)
        assert in_serving(gcs, base) == []


def test_a_push_killed_before_it_was_recorded_is_taken_back(gcs, node, base):
    staging.finish(*copied(node, base, execution_id=3, version="50"))
    staging.forget(node, 3)
    staging.finish(*copied(node, base))
    staging.undo(node, 7)
    assert in_serving(gcs, base) == whole(50)


class Killed(BaseException):
    pass


def test_a_claim_of_a_push_that_was_killed_is_taken_back(gcs, node, base, monkeypatch):
    def killed(*arguments, **keywords):
        raise Killed

    pushed, staged = copied(node, base)
    monkeypatch.setattr(artifact_trees, "move_objects", killed)
    with pytest.raises(Killed):
        staging.finish(pushed, staged)
    assert any(name.startswith(".claim-100-") for name in in_serving(gcs, base))
    staging.undo(node, 7)
    assert in_serving(gcs, base) == []


def test_a_claim_is_noted_before_it_is_made(gcs, node, base, monkeypatch):
    def killed(claim, text):
        gcs.write(str(claim), text.encode())
        raise Killed

    pushed, staged = copied(node, base)
    monkeypatch.setattr(artifact_paths.RemotePath, "write_text", killed)
    with pytest.raises(Killed):
        staging.finish(pushed, staged)
    assert any(name.startswith(".claim-100-") for name in in_serving(gcs, base))
    staging.undo(node, 7)
    assert in_serving(gcs, base) == []
