"""A record as JUnit XML, which every CI shows."""

from xml.etree import ElementTree as ET

from contract.laws.reports.record import Record, Row
from contract.laws.reports.text import failure_text

__all__ = ["as_junit"]


def as_junit(record: Record) -> str:
    """A suite for each group, a case for each law. Known failures are skipped cases; stale entries fail."""
    root = ET.Element("testsuites", name=f"{record.kind} {record.subject}")
    for group, rows in record.of_groups().items():
        suite = _suite(root, group, record)
        for row in rows:
            _fill(_case(suite, group, f"{row.id} {row.statement}", row.seconds), row)
    if record.stale:
        suite = _suite(root, "baseline", record)
        for stale in record.stale:
            ET.SubElement(_case(suite, "baseline", stale.id), "failure", message=stale.text, type="stale")
    if not record.tried:
        case = _case(_suite(root, "run", record), "run", "something was tried")
        ET.SubElement(case, "failure", message=record.headline, type="vacuous")
    for element in [root, *root]:
        _count(element)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(root: ET.Element, name: str, record: Record) -> ET.Element:
    suite = ET.SubElement(root, "testsuite", name=name, timestamp=record.started_at[:19])
    properties = ET.SubElement(suite, "properties")
    for key, value in record.about.items():
        ET.SubElement(properties, "property", name=key, value=value)
    return suite


def _case(suite: ET.Element, group: str, name: str, seconds: float = 0.0) -> ET.Element:
    return ET.SubElement(
        suite, "testcase", classname=f"conformance.{group}", name=name, time=f"{seconds:.3f}"
    )


def _fill(case: ET.Element, row: Row) -> None:
    if row.fails:
        tag = "error" if row.verdict == "error" else "failure"
        ET.SubElement(case, tag, message=row.text, type=row.verdict).text = failure_text(row)
    elif row.verdict != "holds":
        message = f"known: {row.excuse}; {row.text}" if row.verdict == "known" else row.text
        ET.SubElement(case, "skipped", message=message)


def _count(element: ET.Element) -> None:
    cases = list(element.iter("testcase"))
    element.set("tests", str(len(cases)))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(name, str(sum(case.find(tag) is not None for case in cases)))
    element.set("time", f"{sum(float(case.get('time', 0)) for case in cases):.3f}")
