"""What is read of log files that grow, are renamed and are removed, and the ids of their lines."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart_observability.log_files import LONGEST_LINE, Line, look

ROOM = 1_000_000


class Reader:
    """Reads a folder as the shipper does: what was read once is not read again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.positions: dict[str, int] = {}
        self.trouble: str | None = None

    def read(self, room: int = ROOM) -> list[Line]:
        """The new lines."""
        found, self.trouble = look(self.folder, lambda key: self.positions.get(key, 0), room)
        self.positions |= {chunk.key: chunk.end for chunk in found}
        return [line for chunk in found for line in chunk.lines()]

    def texts(self, room: int = ROOM) -> list[str]:
        """The texts of the new lines."""
        return [line.text.decode() for line in self.read(room)]


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    """A reader of an empty folder."""
    return Reader(tmp_path)


def append(path: Path, text: str) -> None:
    """Write on at the end of a file."""
    with path.open("a") as file:
        file.write(text)


def test_lines_are_read_once(reader: Reader) -> None:
    """A line is read when it is there, and not again; blank ones are nothing."""
    log = reader.folder / "a.log"
    assert [] == reader.texts()
    append(log, "one\n\n")
    assert ["one"] == reader.texts()
    append(log, "two\nthree\n")
    assert ["two", "three"] == reader.texts()
    assert [] == reader.texts()


def test_a_missing_folder_has_no_lines(tmp_path: Path) -> None:
    """A folder that is not there yet is an empty one."""
    assert [] == Reader(tmp_path / "later").texts()


def test_only_log_files_are_read(reader: Reader) -> None:
    """A folder's other files are left alone."""
    for name in ("a.txt", "positions.json", "a.log.gz", "alog"):
        append(reader.folder / name, "no line\n")
    assert [] == reader.texts()


def test_an_unfinished_line_waits(reader: Reader) -> None:
    """The last line is read when its end is there, in the middle of a file and at its start."""
    log = reader.folder / "a.log"
    append(log, "on")
    assert [] == reader.texts()
    append(log, "e\ntw")
    assert ["one"] == reader.texts()
    append(log, "o\n")
    assert ["two"] == reader.texts()


def test_rotation(reader: Reader) -> None:
    """What was written before and after a file was started anew is read, each line once, under one path."""
    log, older = reader.folder / "a.log", reader.folder / "a.log.1"
    append(log, "one\n")
    read = reader.read()
    append(log, "two\n")
    log.rename(older)
    append(log, "three\n")
    read += reader.read()
    older.rename(reader.folder / "a.log.2")
    log.rename(older)
    read += reader.read()
    assert [b"one", b"two", b"three"] == [line.text for line in read]
    assert {str(log)} == {line.path for line in read}
    assert 3 == len({line.id for line in read})


def test_a_copy(reader: Reader) -> None:
    """A file that is copied and then cut goes on in its copy, which is not read again, be it whole already or not."""
    log, copy = reader.folder / "a.log", reader.folder / "a.log.1"
    append(log, "one\ntwo\n")
    reader.read()
    copy.write_text("one\n")
    assert [] == reader.texts()
    append(log, "three\n")
    copy.write_text(log.read_text())
    log.write_text("")
    append(log, "four\n")
    assert ["four", "three"] == sorted(reader.texts())


@pytest.mark.parametrize("name", ["a.log.12", "a.log-20261126", "a.log.2026-11-26_04"])
def test_names_of_full_files(reader: Reader, name: str) -> None:
    """What is left of a file is read under whatever number or date it is put aside."""
    log = reader.folder / "a.log"
    append(log, "one\n")
    reader.read()
    append(log, "two\n")
    log.rename(reader.folder / name)
    assert ["two"] == reader.texts()


def test_what_cannot_be_read(reader: Reader) -> None:
    """What is no file, or cannot be opened, keeps nobody from reading the others; the latter is told."""
    append(reader.folder / "a.log", "one\n")
    os.mkfifo(reader.folder / "pipe.log")
    (reader.folder / "folder.log").mkdir()
    assert (["one"], None) == (reader.texts(), reader.trouble)
    (reader.folder / "loop.log").symlink_to("loop.log")
    append(reader.folder / "a.log", "two\n")
    assert ["two"] == reader.texts()
    assert reader.trouble is not None
    assert reader.trouble.startswith("loop.log: ")


def test_an_inode_given_again(reader: Reader) -> None:
    """A new file that has the number of a removed one is read from its start."""
    log = reader.folder / "a.log"
    append(log, "one\ntwo\n")
    reader.read()
    # Written over in place, the file keeps its number, as a new one may get that of a removed one.
    log.write_text("another one\nanother two\n")
    assert ["another one", "another two"] == reader.texts()


def test_a_file_cut_short(reader: Reader) -> None:
    """A file that lost its end is read from its start: known lines keep their ids, others in their place do not."""
    log = reader.folder / "a.log"
    append(log, "one\ntwo\nthree\n")
    first, second, third = reader.read()
    log.write_text("one\nTWO\n")
    again, other = reader.read()
    assert (first.id, b"TWO") == (again.id, other.text)
    assert other.id not in {second.id, third.id}


def test_the_same_text_twice(reader: Reader) -> None:
    """Equal lines are two lines, in one file and in two."""
    for name in ("a.log", "b.log"):
        append(reader.folder / name, "same\nsame\n")
    assert 4 == len({line.id for line in reader.read()})


def test_a_line_without_end(reader: Reader) -> None:
    """A line longer than the longest comes in parts, so that memory is bounded and what follows is read."""
    append(reader.folder / "a.log", "x" * (2 * LONGEST_LINE + 10) + "\nnext\n")
    texts = [*reader.texts(room=1000), *reader.texts(room=1000), *reader.texts(room=1000)]
    assert [LONGEST_LINE, LONGEST_LINE, 10, 4] == [len(text) for text in texts]


def test_what_is_left(reader: Reader) -> None:
    """A chunk says how much more of its file there was to read."""
    log = reader.folder / "a.log"
    append(log, "0123456789\n" * 10)
    (chunk,) = look(reader.folder, lambda _: 0, 22).chunks
    assert (22, 88) == (chunk.end, chunk.left)
    (chunk,) = look(reader.folder, lambda _: 22, 1_000).chunks
    assert 0 == chunk.left


def test_fair_shares(reader: Reader) -> None:
    """A file that is far behind leaves room for the others, and none is read further than there is room."""
    append(reader.folder / "busy.log", "0123456789\n" * 10_000)
    append(reader.folder / "quiet.log", "0123456789\n" * 10_000)
    read = reader.read(room=22_000)
    assert {"busy.log": 1000, "quiet.log": 1000} == {
        name: sum(Path(line.path).name == name for line in read) for name in ("busy.log", "quiet.log")
    }


@settings(deadline=None)
@given(lines=st.lists(st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"])), max_size=30),
       rooms=st.lists(st.integers(1, 40), min_size=1, max_size=5))  # fmt: skip
def test_ids_do_not_depend_on_the_pieces(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], rooms: list[int]
) -> None:
    """However a file is cut into pieces, the same lines come with the same ids, all different."""
    folder = tmp_path_factory.mktemp("folder")
    (folder / "a.log").write_bytes("".join(f"{line}\n" for line in lines).encode())
    pieces, whole = Reader(folder), Reader(folder).read()
    read: list[Line] = []
    for turn in range(len(lines) + 1):
        read += pieces.read(rooms[turn % len(rooms)])
    assert whole == read
    assert [line.encode() for line in lines if line.encode().strip()] == [line.text for line in whole]
    assert len(whole) == len({line.id for line in whole})
