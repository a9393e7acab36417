"""Exports: a checkpoint's files from a folder or an archive through a format that a package offers."""

import io
import random
import tarfile

import pytest

from fake_server.cli import main
from fake_server.offers import find_offer
from tests.fake_server.offers import offer_backend

FILES = {"a.json": b"{}", "b.bin": b"\x00\x01"}
LONG = FILES | {"c.bin": random.Random(0).randbytes(9999)}
LOUD = """
def open_it(files):
    if "a.json" not in files:
        raise ValueError(f"a.json: expected it among the files, got {sorted(files)}")
    return {f"loud-{name}": content.upper() + b"!" for name, content in files.items()}
"""


@pytest.fixture
def loud(tmp_path, monkeypatch):
    """A format that a package offers, and how to export to it."""
    offer_backend(tmp_path, monkeypatch, "loud", LOUD, "formats")
    return lambda source, out="out": main(
        ["export", str(source), "--format", "loud", "--out", str(tmp_path / out)]
    )


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "checkpoint"
    (made / "more").mkdir(parents=True)
    for name, content in FILES.items():
        (made / name).write_bytes(content)
    return made


def archive(files, mode="w:gz", prefix=""):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as tar:
        tar.addfile(tarfile.TarInfo("link"))
        for name, content in files.items():
            entry = tarfile.TarInfo(prefix + name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
    return packed.getvalue()


def test_a_folders_files_go_through_the_format(loud, folder, tmp_path, capsys):
    assert loud(folder) == 0

    out = tmp_path / "out"
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        "loud-a.json": b"{}!",
        "loud-b.bin": b"\x00\x01!",
    }
    assert capsys.readouterr().out == f"{out / 'loud-a.json'}\n{out / 'loud-b.bin'}\n"


@pytest.mark.parametrize(("mode", "prefix"), [("w", ""), ("w:gz", ""), ("w:xz", "./")])
def test_an_archive_is_read_whatever_its_compression(loud, tmp_path, mode, prefix):
    source = tmp_path / "archive"
    source.write_bytes(archive(FILES, mode, prefix))

    assert loud(source) == 0
    assert (tmp_path / "out" / "loud-a.json").read_bytes() == b"{}!"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no archive", "expected a folder or a tar archive, got another file"),
        (archive(LONG)[:4000], "expected a folder or a tar archive, got another file"),
        (archive(LONG, "w")[:4000], "expected a folder or a tar archive, got another file"),
        (archive(LONG)[:4000] + b"?" * 999, "expected a folder or a tar archive, got another file"),
        (archive({}), "a.json: expected it among the files, got ['link']"),
    ],
    ids=["no archive", "cut off", "cut off plain", "damaged", "other files"],
)
def test_what_cannot_be_exported_is_told(loud, tmp_path, capsys, content, words):
    source = tmp_path / "archive"
    source.write_bytes(content)

    assert loud(source) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_source_or_a_folder_that_is_not_as_it_should_be_is_told(loud, folder, capsys):
    assert loud("/no/such/file") == 2
    assert "No such file" in capsys.readouterr().err
    assert loud(folder, "checkpoint") == 2
    assert "File exists" in capsys.readouterr().err


def test_an_unknown_format_is_told_with_those_that_there_are(loud, folder, capsys):
    assert main(["export", str(folder), "--format", "gguf", "--out", "x"]) == 2
    assert "export: format: expected one of loud" in capsys.readouterr().err


def test_a_format_that_lacks_a_package_says_what_to_install(tmp_path, monkeypatch):
    offer_backend(tmp_path, monkeypatch, "theirs", "import nowhere_to_be_found", "formats")
    with pytest.raises(
        LookupError, match=r"format 'theirs': expected what it imports, .*install what it needs"
    ):
        find_offer("format", "theirs")
