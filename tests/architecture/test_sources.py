import re
from importlib.metadata import version
from itertools import product
from pathlib import Path

import pytest

from contract.versions import NEWEST

pytestmark = pytest.mark.sdk

ROOT = Path(__file__).parents[2]
CLAIM = re.compile(r"\bsdk (\d+\.\d+\.\d+)(?: ((?:[\w*{},]+/)*[\w*{},/]+\.py))?")


def claims():
    """Every `sdk <version> <path>` in our sources, and where it stands."""
    for package in ("contract", "fake_server"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for said, source in CLAIM.findall(path.read_text()):
                yield f"{path.relative_to(ROOT)}: {said} {source}", said, source


CLAIMS = sorted(set(claims()))


def expanded(pattern):
    """`a/{b,c}.py` as `a/b.py` and `a/c.py`."""
    parts = [part.split(",") for part in re.split(r"[{}]", pattern)]
    fixed = [[",".join(part)] if at % 2 == 0 else part for at, part in enumerate(parts)]
    return ["".join(choice) for choice in product(*fixed)]


def test_there_are_sources_to_check():
    assert len(CLAIMS) > 10


@pytest.mark.parametrize(("where", "said", "source"), CLAIMS, ids=[claim[0] for claim in CLAIMS])
def test_a_source_is_a_file_of_the_installed_sdk(where, said, source):
    import tinker

    assert said == version("tinker") == NEWEST, where
    folder = Path(tinker.__file__).parent
    for pattern in expanded(source) if source else []:
        assert list(folder.glob(pattern)), f"{where}: no {pattern}"
