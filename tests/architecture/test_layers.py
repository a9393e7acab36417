import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FORBIDDEN = {
    "contract": {"fake_server", "reference_engine", "starlette", "uvicorn", "torch", "tinker"},
    "fake_server": {"reference_engine", "torch", "tinker"},
}


def imports(node):
    """Names of the packages that are imported when a module is, wherever it says so."""
    if isinstance(node, ast.Import):
        yield from (alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield (node.module or "").partition(".")[0]
    elif not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
        lazy = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        yield from (name for child in ([] if lazy else ast.iter_child_nodes(node)) for name in imports(child))


@pytest.mark.parametrize("package", FORBIDDEN)
def test_a_package_imports_only_what_it_may(package):
    for path in sorted((ROOT / package).rglob("*.py")):
        found = set(imports(ast.parse(path.read_text()))) & FORBIDDEN[package]
        assert not found, f"{path.relative_to(ROOT)} imports {', '.join(sorted(found))}"


def test_the_environment_is_read_in_the_command_alone():
    for path in sorted([*(ROOT / "contract").rglob("*.py"), *(ROOT / "fake_server").rglob("*.py")]):
        reads = "os.environ" in path.read_text() or "getenv" in path.read_text()
        assert not reads or path.name in ("cli.py", "__main__.py"), path
