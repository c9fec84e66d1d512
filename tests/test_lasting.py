"""What has to be done for files to outlive a power cut; that it is enough tests/crash/test_power_loss.py shows."""

import os
from pathlib import Path

import pytest

from loopledger.adapters import lasting
from loopledger.adapters.lasting import make_folder, sync, write_again


def test_every_new_folder_is_synced_in_the_one_above_it(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(lasting, "sync", synced.append)
    make_folder(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()
    assert synced == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]
    make_folder(tmp_path / "a" / "b")
    assert len(synced) == 3


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        make_folder(tmp_path / "file" / "folder")


def test_a_sync_that_fails_is_said(tmp_path, monkeypatch):
    def fsync(_):
        raise OSError(5, "Input/output error")

    before = len(list(Path("/dev/fd").iterdir()))
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output"):
        sync(tmp_path)
    assert len(list(Path("/dev/fd").iterdir())) == before


@pytest.mark.parametrize("size", [0, 1, lasting._PIECE, 2 * lasting._PIECE + 7])
def test_all_of_a_file_is_written_again(tmp_path, monkeypatch, size):
    path, written, pwrite = tmp_path / "file", [], os.pwrite
    path.write_bytes(content := os.urandom(size))

    def some(handle, piece, at):
        written.append((at, piece))
        return pwrite(handle, piece[: max(1, len(piece) // 2)], at)

    monkeypatch.setattr(os, "pwrite", some)
    write_again(path)
    assert path.read_bytes() == content
    assert bytearray().join(piece[: max(1, len(piece) // 2)] for _, piece in written) == content


def test_there_may_be_nothing_to_write_again(tmp_path):
    write_again(tmp_path / "none")
    assert not list(tmp_path.iterdir())
