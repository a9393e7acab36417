"""Write the generated tables into README.md. Run: `make docs`. A test checks that they are up to date."""

from pathlib import Path

from fake_server.tables import as_markdown, operation_rows

README = Path(__file__).parent.parent / "README.md"
START, END = "<!-- operations -->", "<!-- /operations -->"


def written(text: str) -> str:
    """`text` with the table between its two marks renewed."""
    before, _, rest = text.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{as_markdown(operation_rows())}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(written(README.read_text(encoding="utf-8")), encoding="utf-8")
