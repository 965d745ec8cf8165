"""The fake store, asked by the libraries that the pipeline asks it with.

TensorFlow's file system on the local disk says what its file system for gs:// has to
say; Beam reads what TensorFlow wrote, and checks the sums that the store tells.
"""

import http.client
import os
import ssl
import subprocess
import sys
import textwrap

import apache_beam.utils.multi_process_shared  # noqa: F401  # see fake_gcs
import fake_gcs
import gcs_objects
import numpy as np
import pytest
import requests
import tensorflow as tf

gfile = tf.io.gfile
TREE = {
    "a.txt": b"a",
    "empty": b"",
    "b/c.txt": b"cc",
    "b/d/e f+%\u00fc.txt": b"eee",
    "b.txt": b"after b/",
}


def write(path: str, content: bytes) -> None:
    with gfile.GFile(path, "wb") as file:
        file.write(content)


def read(path: str) -> bytes:
    with gfile.GFile(path, "rb") as file:
        return file.read()


def plant(root: str) -> None:
    for name, content in TREE.items():
        gfile.makedirs(os.path.dirname(f"{root}/{name}"))  # noqa: PTH120  # gs:// too
        write(f"{root}/{name}", content)


def seen(root: str) -> dict:
    """All that gfile tells of what is below a folder, by names within it."""
    folders = sorted(
        (folder.rstrip("/").removeprefix(root), sorted(n.rstrip("/") for n in names), f)
        for folder, names, files in gfile.walk(root)
        for f in [sorted(files)]
    )
    files = [f"{folder}/{name}" for folder, _, names in folders for name in names]
    return {
        "folders": folders,
        "contents": {name: read(root + name) for name in files},
        "sizes": {name: gfile.stat(root + name).length for name in files},
        "listed": sorted(name.rstrip("/") for name in gfile.listdir(root)),
        "texts": sorted(n.removeprefix(root) for n in gfile.glob(f"{root}/*/*.txt")),
        "kinds": [(gfile.exists(root + n), gfile.isdir(root + n)) for n in PROBES],
    }


PROBES = ("/a.txt", "/b", "/b/d", "/b/nothing", "/bb", "/b.tx")


@pytest.mark.parametrize(
    "change",
    [
        lambda root: None,
        lambda root: gfile.rename(f"{root}/a.txt", f"{root}/b/a.txt"),
        lambda root: gfile.rename(f"{root}/a.txt", f"{root}/b.txt", overwrite=True),
        lambda root: gfile.rename(f"{root}/b", f"{root}/moved"),
        lambda root: gfile.copy(f"{root}/b/c.txt", f"{root}/c.txt"),
        lambda root: gfile.rmtree(f"{root}/b/d"),
        lambda root: gfile.remove(f"{root}/empty"),
        lambda root: write(f"{root}/a.txt", b"another"),
    ],
    ids=["plant", "move", "replace", "rename", "copy", "rmtree", "remove", "rewrite"],
)
def test_gfile_sees_on_the_store_what_it_sees_on_the_disk(
    gcs, tmp_path, request, change
):
    roots = str(tmp_path), f"gs://bucket/{request.node.callspec.id}"
    for root in roots:
        plant(root)
        change(root)
    wanted, found = (seen(root) for root in roots)
    assert found == wanted


def test_more_names_than_one_page_are_listed(gcs):
    for number in range(gcs_objects.PAGE + 1):
        gcs.write(f"gs://bucket/pages/{number:04}/file", b"")
    assert len(gfile.listdir("gs://bucket/pages")) == gcs_objects.PAGE + 1
    assert len(gfile.glob("gs://bucket/pages/*/file")) == gcs_objects.PAGE + 1


def test_pages_and_folders_are_those_of_a_plain_count():
    names = [f"{a}{b}{c}" for a in "xyz" for b in ("/", "-", "/\u00e9/") for c in "12"]
    objects = gcs_objects.Objects(("bucket",))
    for name in names:
        objects.put("bucket", name, b"")
    for prefix in ("", "x", "y/", "y/\u00e9", "none"):
        below = [name for name in names if name.startswith(prefix)]
        heads = {name[len(prefix) :].split("/")[0] + "/" for name in below}
        folders = {prefix + h for h in heads if any(prefix + h in n for n in below)}
        plain = {name for name in below if "/" not in name[len(prefix) :]}
        found, page = [], ""
        while True:
            listing = objects.listing("bucket", prefix, "/", page, most=2)
            assert len(listing.objects) + len(listing.prefixes) <= 2
            found += [o.name for o in listing.objects] + listing.prefixes
            page = listing.next_page
            if not page:
                break
        assert sorted(found) == sorted(plain | folders)


def test_a_cut_upload_goes_on_where_it_was_cut(gcs):
    content = np.random.default_rng(0).bytes(24 << 20)
    gcs.cut_next_upload(5_000_000)
    before = len(gcs.requests())
    write("gs://bucket/cut/large", content)
    begin, *sent = gcs.requests()[before:]
    assert begin.startswith("POST ")
    assert [put.split(" ", 2)[2] for put in sent] == [
        "bytes 0-25165823/25165824",
        "bytes */25165824",  # how many came?
        "bytes 5000000-25165823/25165824",
    ]
    assert gcs.read("gs://bucket/cut/large") == content
    assert read("gs://bucket/cut/large") == content


def test_a_store_that_is_busy_is_asked_again(gcs):
    gcs.write("gs://bucket/busy", b"in the end")
    gcs.fail_next(2, status=503)
    before = len(gcs.requests())
    assert read("gs://bucket/busy") == b"in the end"
    assert len(gcs.requests()) >= before + 3


def test_a_write_that_is_refused_leaves_the_object_as_it_was(gcs):
    gcs.write("gs://bucket/kept", b"old")
    # Until it is told to recover: TensorFlow tries again as it drops the file.
    gcs.fail_next(99, status=403, method="POST")
    with pytest.raises(tf.errors.PermissionDeniedError):
        write("gs://bucket/kept", b"new")
    assert gcs.read("gs://bucket/kept") == b"old"
    gcs.recover()


def test_a_generation_is_replaced_once():
    objects = gcs_objects.Objects(("bucket",))
    first = objects.put("bucket", "name", b"1", if_generation=0)
    with pytest.raises(gcs_objects.Refused, match="pre-conditions"):
        objects.put("bucket", "name", b"2", if_generation=0)
    second = objects.put("bucket", "name", b"3", if_generation=first.generation)
    with pytest.raises(gcs_objects.Refused, match="pre-conditions"):
        objects.delete("bucket", "name", first.generation)
    assert second.generation > first.generation
    assert objects.get("bucket", "name").content == b"3"


def test_records_come_back(gcs):
    records = [b"%d" % number for number in range(1000)]
    with tf.io.TFRecordWriter("gs://bucket/records.gz", "GZIP") as writer:
        for record in records:
            writer.write(record)
    dataset = tf.data.TFRecordDataset("gs://bucket/records.gz", "GZIP")
    assert list(dataset.as_numpy_iterator()) == records


def test_a_checkpoint_comes_back(gcs):
    weights = tf.Variable(tf.random.stateless_normal([100, 100], seed=[1, 2]))
    wanted = weights.numpy()
    checkpoint = tf.train.Checkpoint(weights=weights)
    manager = tf.train.CheckpointManager(checkpoint, "gs://bucket/checkpoints", 2)
    for _ in range(3):
        manager.save()
    weights.assign(tf.zeros_like(weights))
    checkpoint.restore(manager.latest_checkpoint)
    np.testing.assert_array_equal(weights.numpy(), wanted)
    indices = [n for n in gcs.names("gs://bucket/checkpoints/") if n.endswith("index")]
    assert [os.path.basename(n) for n in indices] == ["ckpt-2.index", "ckpt-3.index"]  # noqa: PTH119


def test_a_saved_model_comes_back(gcs):
    module = tf.Module()
    module.weight = tf.Variable(3.0)
    module.times = tf.function(
        lambda x: x * module.weight, input_signature=[tf.TensorSpec([])]
    )
    tf.saved_model.save(module, "gs://bucket/model/1")
    loaded = tf.saved_model.load("gs://bucket/model/1")
    assert float(loaded.times(2.0)) == 6.0


def test_beam_reads_and_writes_what_tensorflow_does(gcs):
    write("gs://bucket/beam/in/lines-1", b"one\ntwo\n")
    write("gs://bucket/beam/in/lines-2", b"three\n")
    program = """
        import apache_beam as beam
        from apache_beam.io.filesystems import FileSystems
        from apache_beam.runners.portability.fn_api_runner import fn_runner

        with FileSystems.create("gs://bucket/beam/large") as large:
            large.write(bytes(20 << 20))
        with beam.Pipeline(runner=fn_runner.FnApiRunner()) as pipeline:
            lines = pipeline | beam.io.ReadFromText("gs://bucket/beam/in/lines*")
            lines | beam.io.WriteToText("gs://bucket/beam/texts", num_shards=2)
            lines | beam.Map(str.encode) | beam.io.WriteToTFRecord(
                "gs://bucket/beam/records", num_shards=1, file_name_suffix=".gz"
            )
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**os.environ, **gcs.environment()},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    texts = [read(f"gs://bucket/beam/texts-0000{shard}-of-00002") for shard in (0, 1)]
    assert sorted(b"".join(texts).split()) == [b"one", b"three", b"two"]
    records = tf.data.TFRecordDataset(
        "gs://bucket/beam/records-00000-of-00001.gz", "GZIP"
    )
    assert sorted(records.as_numpy_iterator()) == [b"one", b"three", b"two"]
    assert gcs.read("gs://bucket/beam/large") == bytes(20 << 20)
    left = [name for name in gcs.names("gs://bucket/beam/") if "beam-temp" in name]
    assert left == []


def test_nothing_else_was_asked_for(gcs):
    assert gcs.refused() == []


def test_other_hosts_are_refused_and_remembered(tmp_path):
    with fake_gcs.serving(tmp_path) as store:
        proxies = {"https": store.environment()["https_proxy"]}
        with pytest.raises(requests.exceptions.ProxyError):
            requests.get("https://example.com/", proxies=proxies, timeout=10)
        assert store.refused() == ["CONNECT example.com:443"]


def connect(store) -> http.client.HTTPSConnection:
    """A connection to the store that is no library's."""
    environment = store.environment()
    host, port = environment["https_proxy"].removeprefix("http://").split(":")
    trusted = ssl.create_default_context(cafile=environment["CURL_CA_BUNDLE"])
    connection = http.client.HTTPSConnection(host, int(port), context=trusted)
    connection.set_tunnel("storage.googleapis.com", 443)
    return connection


def test_who_has_no_token_is_not_let_in(object_store):
    object_store.write("gs://bucket/secret", b"secret")
    connection = connect(object_store)
    connection.request("GET", "/bucket/secret")
    answer = connection.getresponse()
    assert answer.status == 401
    assert b"secret" not in answer.read()


def test_an_upload_whose_sender_dies_makes_no_object(object_store):
    token = object_store.environment()["GOOGLE_AUTH_TOKEN_FOR_TESTING"]
    connection = connect(object_store)
    connection.putrequest(
        "POST", "/upload/storage/v1/b/bucket/o?uploadType=media&name=x"
    )
    connection.putheader("Authorization", f"Bearer {token}")
    connection.putheader("Content-Length", "1000")
    connection.endheaders(b"half")
    connection.close()
    again = connect(object_store)
    again.request("GET", "/bucket/x", headers={"Authorization": f"Bearer {token}"})
    assert again.getresponse().status == 404
    assert object_store.names("gs://bucket/x") == []


def test_one_request_of_many_is_refused(object_store):
    token = object_store.environment()["GOOGLE_AUTH_TOKEN_FOR_TESTING"]

    def status(name):
        connection = connect(object_store)
        authorized = {"Authorization": f"Bearer {token}"}
        connection.request("GET", f"/bucket/one/{name}", headers=authorized)
        return connection.getresponse().status

    for name in ("a b", "c"):
        object_store.write(f"gs://bucket/one/{name}", b"")
    object_store.fail_next(1, status=403, pattern="one/a b", after=1)
    assert [status(n) for n in ("a%20b", "c", "a%20b", "a%20b")] == [200, 200, 403, 200]
    ends = [(status("c"), status("c")) for _ in fake_gcs.each_refused(object_store)]
    assert ends == [(403, 200), (200, 403), (200, 200)]
