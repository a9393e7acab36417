import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("contract", "fake_server", "tests")
MOST_LINES, MOST_FUNCTION_LINES, MOST_DEPTH = 400, 50, 4


def files(package: str) -> list[Path]:
    paths = (ROOT / package).rglob("*.py")
    return sorted(path.relative_to(ROOT) for path in paths if not path.name.endswith("_pb2.py"))


def functions(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """All below a node; no function is defined in an expression."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
        if not isinstance(child, ast.expr):
            yield from functions(child)


def too_long(path: Path) -> list[str]:
    text = (ROOT / path).read_text()
    return [str(path)] * (text.count("\n") > MOST_LINES) + [
        f"{path}: {found.name}"
        for found in functions(ast.parse(text))
        if found.end_lineno - found.lineno >= MOST_FUNCTION_LINES
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_files_and_their_functions_are_short(package):
    assert [found for path in files(package) for found in too_long(path)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_files_are_at_most_two_folders_below_their_package(package):
    assert [str(path) for path in files(package) if len(path.parts) > MOST_DEPTH] == []


def test_what_is_too_long_is_told(tmp_path):
    lines = ["class A:", "    if True:", "        async def long():", *["            pass"] * 400]
    (tmp_path / "a.py").write_text("\n".join([*lines, ""]))

    assert too_long(tmp_path / "a.py") == [str(tmp_path / "a.py"), f"{tmp_path / 'a.py'}: long"]
