"""Many processes, kills, servers that are not there: nothing is lost, and messages help."""

from __future__ import annotations

import sqlite3
import sys
import threading
import time

import numpy as np
import pytest
from ase import Atoms

from potwright.datasets import LabelStoreDataset
from potwright.errors import InputError
from potwright.quantum import Label, LabelStore, LevelOfTheory
from potwright.quantum.databases import shared
from potwright.quantum.databases.sqlite import _is_on_network

LEVEL = LevelOfTheory("tblite", "0.8.0", {"method": "GFN1-xTB"})
LABEL = Label(-1.0, np.full((2, 3), 0.1), None, 1.5)

WRITER = """
import sys
import numpy as np
from ase import Atoms
from potwright.quantum import Label, LabelStore, LevelOfTheory
place, who, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
store = LabelStore(place, campaign=f"campaign {who}")
level = LevelOfTheory("tblite", "0.8.0", {"method": "GFN1-xTB"})
for i in range(count):
    id = f"{who:016x}{i:016x}"
    label = Label(float(i), np.full((2, 3), who), None, 1.5)
    store.add(id, Atoms("H2" if who else "C2", [[0, 0, 0], [0, 0, i]]), level, label)
    print(id, flush=True)
"""


def ids(who, count):
    return [f"{who:016x}{i:016x}" for i in range(count)]


def test_processes_that_write_at_once_lose_nothing_and_mix_nothing_up(place, python):
    """On a server ASE itself gives keys to whatever row was added last, by anybody."""
    count = 150
    writers = [python(WRITER, place, str(who), str(count)) for who in (0, 1)]
    reader = LabelStore(place)
    while any(writer.poll() is None for writer in writers):
        reader.look(ids(0, count), LEVEL)
    assert [writer.wait() for writer in writers] == [0, 0]
    for who in (0, 1):
        found = reader.find(ids(who, count), LEVEL)
        assert [found[id].energy for id in ids(who, count)] == list(range(count))
        assert all(found[id].forces[0, 0] == who for id in found)
    rows = reader.database.read("SELECT id, key_value_pairs, numbers FROM systems")
    keys = reader.database.read("SELECT id, value FROM text_key_values WHERE key = 'structure'")
    elements = dict(reader.database.read("SELECT id, Z FROM species"))
    assert len(rows) == len(keys) == 2 * count
    structure = dict(keys)
    for id, pairs, numbers in rows:
        assert structure[id] in str(pairs)
        assert elements[id] == reader.database.ase.deblob(numbers, np.int32)[0]


def test_a_kill_at_any_moment_loses_nothing_that_was_committed(tmp_path, python):
    place = str(tmp_path / "labels.db")
    LabelStore(place).close()
    written = []
    for who, seconds in enumerate((0.0, 0.02, 0.05, 0.1, 0.2)):
        writer = python(WRITER, place, str(who + 1), "100000")
        written.append(writer.stdout.readline().strip())  # from here on it writes
        time.sleep(seconds)
        writer.kill()
        written += [line for line in writer.stdout.read().split() if len(line) == 32]
        writer.wait()
        damage = sqlite3.connect(place).execute("PRAGMA integrity_check").fetchall()
        assert damage == [("ok",)]
    store = LabelStore(place)
    assert set(written) <= store.find(written, LEVEL).keys()
    assert len(store) - len(written) <= 5  # at most one each that was added and not told


def test_an_expensive_label_is_on_the_disk_before_anything_goes_on(tmp_path):
    """A cheap one waits for it once a second, lest waiting be all that is done."""
    store = LabelStore(tmp_path / "labels.db")
    waited = []
    begin = store.database._backend.begin

    def noted(connection, *, wait_for_disk):
        waited.append(wait_for_disk)
        begin(connection, wait_for_disk=wait_for_disk)

    store.database._backend.begin = noted
    for i, seconds in enumerate((0.01, 0.01, 60.0, 60.0, 0.01)):
        store.add(f"{i:032x}", Atoms("H2"), LEVEL, Label(-1.0, np.zeros((2, 3)), None, seconds))
    assert waited == [True, False, True, True, False]


def test_a_writer_waits_for_its_turn(tmp_path):
    store = LabelStore(tmp_path / "labels.db")
    other = sqlite3.connect(store.url, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(1.0, lambda: other.execute("COMMIT")).start()
    start = time.perf_counter()
    store.add("a" * 32, Atoms("H2"), LEVEL, LABEL)
    assert time.perf_counter() - start > 0.5
    assert "a" * 32 in store.find(["a" * 32], LEVEL)


def test_a_database_that_takes_no_label_is_told_of_after_a_while(tmp_path, monkeypatch):
    store = LabelStore(tmp_path / "labels.db")
    monkeypatch.setattr(shared, "PATIENCE_SECONDS", 0.5)
    store.database.ase.connection.execute("PRAGMA query_only = ON")
    with pytest.raises(InputError, match=r"labels\.db: attempt to write a readonly database, for"):
        store.add("a" * 32, Atoms("H2"), LEVEL, LABEL)
    store.database.ase.connection.execute("PRAGMA query_only = OFF")
    store.add("a" * 32, Atoms("H2"), LEVEL, LABEL)
    assert len(store) == 1


def test_a_server_that_starts_anew_in_the_middle_costs_no_label(postgresql):
    store = LabelStore(postgresql.new_database())
    store.add("a" * 32, Atoms("H2"), LEVEL, LABEL)
    postgresql.stop()
    threading.Timer(1.0, postgresql.start).start()
    store.add("b" * 32, Atoms("H2"), LEVEL, LABEL)
    assert set(store.find(["a" * 32, "b" * 32], LEVEL)) == {"a" * 32, "b" * 32}


def test_a_colleague_needs_no_more_than_to_read_and_write(postgresql):
    url = postgresql.new_database()
    LabelStore(url).add("a" * 32, Atoms("H2"), LEVEL, LABEL)
    name = url.partition("@/")[2].partition("?")[0]
    grants = "CREATE ROLE colleague LOGIN; "
    for what in ("TABLES", "SEQUENCES"):
        grants += f"GRANT ALL ON ALL {what} IN SCHEMA public TO colleague; "
    postgresql.run("psql", "-h", str(postgresql.folder), "-U", "tester", "-c", grants, name)
    store = LabelStore(url.replace("tester", "colleague"))
    store.add("b" * 32, Atoms("H2"), LEVEL, LABEL)
    assert set(store.find(["a" * 32, "b" * 32], LEVEL)) == {"a" * 32, "b" * 32}


def test_an_unreachable_server_is_refused_with_what_to_do(postgresql, tmp_path):
    nowhere = f"postgresql://me:secret@/labels?host={tmp_path}"
    with pytest.raises(InputError, match=r"Is the server running") as caught:
        LabelStore(nowhere)
    assert "postgresql://me@/labels: " in str(caught.value)
    assert "secret" not in str(caught.value)
    with pytest.raises(InputError, match=r'database "nosuch" does not exist'):
        LabelStore(postgresql.url("nosuch"))


def test_a_missing_driver_is_told_with_how_to_install_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "potwright.quantum.databases.postgresql", raising=False)
    monkeypatch.setitem(sys.modules, "ase_db_backends", None)
    monkeypatch.setitem(sys.modules, "ase_db_backends.postgresql", None)
    with pytest.raises(InputError, match=r"needs the package ase-db-backends.*pip install"):
        LabelStore("postgresql://somewhere/labels")


def test_what_is_no_store_is_refused(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        LabelStore(tmp_path)
    (tmp_path / "notes.db").write_text("dear diary " * 1000)
    with pytest.raises(InputError, match="file is not a database; is it an ASE database"):
        LabelStore(tmp_path / "notes.db")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be made"):
        LabelStore(tmp_path / "file" / "labels.db")
    with pytest.raises(InputError, match=r"mysql://…: no such kind"):
        LabelStore("mysql://me:secret@host/labels")


MOUNTS = """
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:50 / /home rw,relatime shared:1 - nfs4 server:/home rw
31 30 0:51 / /home/me/my\\040disk rw,relatime - xfs /dev/vdb rw
"""


def test_a_network_file_system_gets_no_write_ahead_log(tmp_path):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS.strip())
    from pathlib import Path

    assert not _is_on_network(Path("/tmp/labels.db"), mounts)
    assert _is_on_network(Path("/home/me/labels.db"), mounts)
    assert not _is_on_network(Path("/home/me/my disk/labels.db"), mounts)
    assert not _is_on_network(Path("/home/me/labels.db"), tmp_path / "not there")


def test_the_catalog_takes_a_file_or_an_address(tmp_path, postgresql):
    from kedro.io import DatasetError

    file = LabelStoreDataset(filepath=str(tmp_path / "labels.db"), campaign="mine")
    assert not file.exists()
    assert len(file.load()) == 0 and file.exists()
    url = postgresql.new_database()
    for where in ({"url": url}, {"filepath": url}):
        dataset = LabelStoreDataset(**where)
        assert len(dataset.load()) == 0 and dataset.exists()
    hidden = LabelStoreDataset(url="postgresql://me:secret@host/labels")
    assert hidden.filepath == "postgresql://me@host/labels"
    assert "secret" not in str(hidden)
    for wrong in ({}, {"filepath": "a.db", "url": url}):
        with pytest.raises(DatasetError, match="by one of them"):
            LabelStoreDataset(**wrong)
