import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path.relative_to(ROOT)
    for package in ("contract", "fake_server", "tests")
    for path in (ROOT / package).rglob("*.py")
    if not path.name.endswith("_pb2.py")
)
MOST_LINES, MOST_FUNCTION_LINES, MOST_DEPTH = 400, 50, 4


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_file_and_its_functions_are_short(path):
    text = (ROOT / path).read_text()
    assert text.count("\n") <= MOST_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < MOST_FUNCTION_LINES, node.name


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_file_is_at_most_two_folders_below_its_package(path):
    assert len(path.parts) <= MOST_DEPTH
