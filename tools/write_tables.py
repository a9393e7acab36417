"""Write the generated tables into README.md. Run: `make docs`. A test checks that they are up to date."""

from pathlib import Path

from fake_server.tables import as_markdown, control_rows, operation_rows

README = Path(__file__).parent.parent / "README.md"
TABLES = {"operations": operation_rows, "controls": control_rows}


def written(text: str) -> str:
    """`text` with each table between its two marks renewed."""
    for name, rows in TABLES.items():
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, _, rest = text.partition(start)
        _, _, after = rest.partition(end)
        text = f"{before}{start}\n{as_markdown(rows())}\n{end}{after}"
    return text


if __name__ == "__main__":
    README.write_text(written(README.read_text(encoding="utf-8")), encoding="utf-8")
