"""All reports of a record, as files of a folder."""

from collections.abc import Callable, Mapping
from pathlib import Path

from contract.laws.reports.badge import as_badge
from contract.laws.reports.junit import as_junit
from contract.laws.reports.page import as_html
from contract.laws.reports.record import Record
from contract.laws.reports.text import as_text

__all__ = ["REPORTS", "write_reports"]


def _json(record: Record) -> str:
    return record.model_dump_json(indent=2) + "\n"


REPORTS: Mapping[str, Callable[[Record], str]] = {
    "report.html": as_html,
    "report.json": _json,
    "report.txt": lambda record: as_text(record) + "\n",
    "junit.xml": as_junit,
    "badge.svg": as_badge,
}
"""What makes each file."""


def write_reports(record: Record, folder: Path) -> list[Path]:
    """Write them all; the folder is made where it is not there.

    Raises:
        OSError: if one cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, made in REPORTS.items():
        (folder / name).write_text(made(record), encoding="utf-8")
        paths.append(folder / name)
    return paths
