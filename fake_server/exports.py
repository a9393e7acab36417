"""A checkpoint's files, from a folder or a downloaded archive, in another format.

A format is a function from files to files, by relative path; packages offer them as entry points of the group
`tinkerproof.formats`.
"""

import gzip
import tarfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from fake_server.offers import find_offer

__all__ = ["export"]

Format = Callable[[Mapping[str, bytes]], Mapping[str, bytes]]


def export(source: Path, format_name: str, out: Path) -> list[Path]:
    """Write the files of `source` in a format to a new folder; returns their paths.

    Args:
        source: A folder, or a tar archive, compressed or not.
        format_name: As it is offered.
        out: The folder to make.

    Raises:
        LookupError: if there is no such format.
        OSError: if the source cannot be read, or the folder is there.
        ValueError: if the source is no archive, or the format cannot say what it holds.
    """
    convert = cast("Format", find_offer("format", format_name))
    files = convert(_files_in(source))
    out.mkdir(parents=True)
    for name, content in files.items():
        (out / name).write_bytes(content)
    return [out / name for name in files]


def _files_in(source: Path) -> dict[str, bytes]:
    """The files at the top level; nothing is unpacked to disk."""
    if source.is_dir():
        return {path.name: path.read_bytes() for path in sorted(source.iterdir()) if path.is_file()}
    try:
        with tarfile.open(source) as archive:
            opened = ((entry.name, archive.extractfile(entry)) for entry in archive if entry.isfile())
            return {name.removeprefix("./"): file.read() for name, file in opened if file is not None}
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ValueError(
            f"{source}: expected a folder or a tar archive, got another file ({error}); is it whole?"
        ) from None
