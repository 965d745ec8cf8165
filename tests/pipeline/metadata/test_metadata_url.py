import socket
import sqlite3

import pytest

from foundation import errors
from pipeline.metadata import metadata_url


@pytest.fixture
def closed_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture
def database(tmp_path):
    """A SQLite database with ML Metadata's tables."""
    address = metadata_url.parse(f"sqlite:///{tmp_path / 'metadata.db'}")
    metadata_url.connect(address, "", create=True)
    return address


def test_an_address_is_taken_apart():
    found = metadata_url.parse("mysql://team%40home@db.example:3307/m2f")
    assert (found.scheme, found.user, found.host) == (
        "mysql",
        "team@home",
        "db.example",
    )
    assert (found.port, found.database) == (3307, "m2f")
    assert metadata_url.parse("mysql://a@b/c").port == 3306
    assert metadata_url.parse("postgresql://a@b/c").port == 5432
    assert metadata_url.parse("sqlite:////mnt/x.db").database == "/mnt/x.db"


def test_ml_metadata_is_told_all_of_it():
    mysql = metadata_url.connection_config(metadata_url.parse("mysql://a@b:1/c"), "p")
    assert (mysql.mysql.user, mysql.mysql.host, mysql.mysql.port) == ("a", "b", 1)
    assert (mysql.mysql.database, mysql.mysql.password) == ("c", "p")
    assert mysql.mysql.skip_db_creation
    address = metadata_url.parse("postgresql://a@b:1/c")
    made = metadata_url.connection_config(address, "p", create=True).postgresql
    assert (made.user, made.host, made.port) == ("a", "b", "1")
    assert (made.dbname, made.password, made.skip_db_creation) == ("c", "p", False)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "m2f",
        "oracle://a@b/c",
        "mysql://b/c",
        "mysql://a@/c",
        "mysql://a@b",
        "mysql://a@b/",
        "mysql://a@b/c?x=1",
        "mysql://a@b:99999/c",
        "sqlite:///relative.db",
        "sqlite://host/x.db",
    ],
)
def test_what_is_no_address_is_refused_with_what_one_looks_like(url):
    with pytest.raises(errors.MetadataError, match="mysql://user@host:3306/db"):
        metadata_url.parse(url)


def test_a_password_in_the_address_is_refused_and_not_repeated():
    with pytest.raises(errors.MetadataError, match="M2F_METADATA_PASSWORD") as caught:
        metadata_url.parse("mysql://a:hunter2@b/c")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://a@b/c?password=hunter2",
        "mysql://a:hunter2/x@b/c",  # a slash in it makes it a port
        "mysql://a:12/hunter2@b/c",
        "mysql:a:hunter2@b/c",
        "mysql://a@b/c#hunter2",
        "a:hunter2@b",
    ],
)
def test_a_password_in_a_wrong_place_is_not_repeated_either(url):
    with pytest.raises(errors.MetadataError, match="wanted mysql://user@") as caught:
        metadata_url.parse(url)
    assert "hunter2" not in str(caught.value)


def test_an_address_without_a_password_is_repeated_when_it_is_refused():
    with pytest.raises(errors.MetadataError, match="metadata URL 'mysql://a@b:1': "):
        metadata_url.parse("mysql://a@b:1")


def test_the_environment_names_address_and_password(monkeypatch):
    monkeypatch.delenv("M2F_METADATA_URL", raising=False)
    with pytest.raises(errors.MetadataError, match="M2F_METADATA_URL: is not set"):
        metadata_url.from_environment()
    monkeypatch.setenv("M2F_METADATA_URL", "mysql://a@b/c")
    monkeypatch.setenv("M2F_METADATA_PASSWORD", "p")
    address, password = metadata_url.from_environment()
    assert (address.host, password) == ("b", "p")


@pytest.mark.parametrize("scheme", ["mysql", "postgresql"])
def test_a_server_that_does_not_answer_is_named(scheme, closed_port):
    address = metadata_url.parse(f"{scheme}://a@127.0.0.1:{closed_port}/c")
    wanted = f"127.0.0.1:{closed_port} does not answer"
    with pytest.raises(errors.MetadataError, match=wanted):
        metadata_url.connect(address, "")
    with pytest.raises(errors.MetadataError, match=wanted):
        metadata_url.wait(address, "", seconds=0.1)


def test_an_unknown_host_is_named():
    address = metadata_url.parse("mysql://a@no.such.host.invalid/c")
    with pytest.raises(errors.MetadataError, match="name no.such.host.invalid"):
        metadata_url.connect(address, "")


@pytest.mark.parametrize("version", [9, 11])
def test_a_database_of_another_schema_version_is_refused(database, version):
    with sqlite3.connect(database.database) as connection:
        (ours,) = connection.execute("SELECT schema_version FROM MLMDEnv").fetchone()
        connection.execute("UPDATE MLMDEnv SET schema_version = ?", (version,))
    assert ours == 10
    wanted = f"schema version {version}, and this release wants version 10"
    with pytest.raises(errors.MetadataError, match=wanted):
        metadata_url.connect(database, "")


def test_tables_that_were_half_made_are_refused(database, monkeypatch):
    monkeypatch.setattr(metadata_url, "_TRIES_OF_A_SCHEMA", 1)
    with sqlite3.connect(database.database) as connection:
        connection.execute("DROP TABLE MLMDEnv")
    with pytest.raises(errors.MetadataError, match="some are not"):
        metadata_url.connect(database, "")


def test_waiting_makes_the_tables_and_a_second_time_changes_nothing(tmp_path):
    address = metadata_url.parse(f"sqlite:///{tmp_path / 'new.db'}")
    with pytest.raises(errors.MetadataError, match="is not there"):
        metadata_url.connect(address, "")
    for _ in range(2):
        metadata_url.wait(address, "", seconds=1)
    assert metadata_url.connect(address, "").get_artifact_types() == []
