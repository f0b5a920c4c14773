"""What a data folder keeps, and to whom it belongs."""

import socket
from pathlib import Path

import pytest

from cart_platform.data_folder import DataFolder
from cart_platform.errors import CartscopeError
from cart_platform.native import installed
from cart_platform.native.kept import FILE, keep
from cart_platform.native.ports import LOOPBACK, free_ports, is_free


def test_ports_and_passwords_are_kept(tmp_path: Path) -> None:
    """The same folder gives the same ports and passwords again, also after a run that asked for fewer."""
    first = keep(tmp_path, ["redis", "api"], ["redis"])
    keep(tmp_path, ["redis"], [])
    assert first == keep(tmp_path, ["redis", "api"], ["redis"])


def test_taken_port_is_replaced(tmp_path: Path) -> None:
    """A kept port on which something else listens meanwhile gives way to a free one; the others stay."""
    first = keep(tmp_path, ["redis", "api"], [])
    with socket.create_server((LOOPBACK, first.ports["redis"])):
        second = keep(tmp_path, ["redis", "api"], [])
    assert first.ports["redis"] != second.ports["redis"]
    assert first.ports["api"] == second.ports["api"]


def test_kept_file_is_private(tmp_path: Path) -> None:
    """The file of passwords is readable by its owner alone."""
    keep(tmp_path, [], ["redis"])
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "{", "[]", '{"ports": 1, "passwords": {}}', '{"ports": {}}', "\x00"])
def test_damaged_kept_file(tmp_path: Path, content: str) -> None:
    """A damaged file of passwords ends in one line that names it, and is left as it is."""
    (tmp_path / FILE).write_text(content)
    with pytest.raises(CartscopeError, match=FILE):
        keep(tmp_path, ["api"], ["redis"])
    assert content == (tmp_path / FILE).read_text()


def test_free_ports_differ() -> None:
    """Ports chosen together are different and free."""
    ports = free_ports(50)
    assert len(set(ports)) == 50
    assert all(is_free(port) for port in ports)


def test_folder_belongs_to_one_run(tmp_path: Path) -> None:
    """A folder in use is refused in one line and is free again afterwards."""
    assert not DataFolder.is_in_use(tmp_path)
    with DataFolder(tmp_path):
        assert DataFolder.is_in_use(tmp_path)
        with pytest.raises(CartscopeError, match="in use by a running Cartscope"), DataFolder(tmp_path):
            pass
        assert DataFolder.is_in_use(tmp_path)
    assert not DataFolder.is_in_use(tmp_path)
    with DataFolder(tmp_path) as again:
        assert again.logs.is_dir()


def test_folder_that_cannot_be(tmp_path: Path) -> None:
    """A folder that cannot be made ends in one line that names it and the way out."""
    (tmp_path / "file").touch()
    with pytest.raises(CartscopeError, match=r"file.*--data-dir"), DataFolder(tmp_path / "file" / "data"):
        pass


@pytest.mark.parametrize("remove", [True, False])
def test_fresh_folder(remove: bool) -> None:  # noqa: FBT001  a parameter of the test
    """A fresh folder goes at the end when that was asked for, and stays otherwise."""
    with DataFolder(remove=remove) as folder:
        assert folder.is_fresh
        assert folder.logs.is_dir()
    assert remove != folder.path.exists()
    with DataFolder(folder.path, remove=True) as named:
        pass
    assert named.path.exists()
    for path in sorted(named.path.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    named.path.rmdir()


def test_missing_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every server that is missing is named in one line, with the way to get it."""
    monkeypatch.setattr(installed, "find", lambda *_: None)
    monkeypatch.setattr(installed, "_UNWRAPPED_RABBITMQ", Path("/nowhere"))
    with pytest.raises(
        CartscopeError, match=r"redis-server, rabbitmq-server.*apt-get install redis-server rabbitmq-server"
    ):
        installed.servers()
