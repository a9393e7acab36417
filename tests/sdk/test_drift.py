"""The installed release and a changed copy of it: what is changed is told, and nothing else."""

import shutil
from importlib.metadata import version
from pathlib import Path

import pytest
import tinker

from fake_server.drift import Release, drift_between
from fake_server.drift.scenes import scenes

pytestmark = pytest.mark.sdk

EDITS = {
    "types/optimizer.py": ("eps: float = 1e-12", "eps: float = 1e-10"),
    "types/get_info_request.py": ("    model_id: ModelID\n", "    model_id: ModelID\n    unheard: int = 5\n"),
    "_client.py": ('"X-Stainless-Async": f"async:', '"X-Unheard": "1", "X-Stainless-Async": f"async:'),
    "lib/public_interfaces/rest_client.py": ("def list_sessions(", "def list_all_sessions("),
}


def copied(folder: Path, edits: dict[str, tuple[str, str]]) -> Release:
    """A copy of the installed release, changed."""
    shutil.copytree(Path(tinker.__file__).parent, folder / "tinker")
    for name, (old, new) in edits.items():
        text = (folder / "tinker" / name).read_text()
        assert old in text
        (folder / "tinker" / name).write_text(text.replace(old, new, 1))
    return Release(version("tinker"), folder)


@pytest.mark.filterwarnings("ignore::fake_server.wire.UnknownFieldWarning")
def test_what_is_changed_in_a_release_is_told_and_nothing_else(tmp_path, monkeypatch):
    few = [scene for scene in scenes() if not scene.strikes]  # those with strikes pause for seconds
    monkeypatch.setattr("fake_server.drift.between.scenes", lambda: few)
    told: list[str] = []
    older, newer = copied(tmp_path / "older", {}), copied(tmp_path / "newer", EDITS)
    found = drift_between(older, newer, told.append)
    assert found.unchecked == ()
    rows = {(change.severity, change.seen, change.place): change for change in found.changes}
    assert set(rows) == {
        ("breaking", False, "method RestClient.list_sessions"),
        ("additive", True, "field adam_params.eps"),
        ("additive", True, "field unheard"),
        ("additive", True, "header x-unheard"),
        ("additive", False, "type AdamParams.eps"),
        ("additive", False, "type GetInfoRequest.unheard"),
        ("compatible", False, "public methods"),
    }
    assert (found.status, len(told)) == (1, 3)
    assert rows["additive", True, "field adam_params.eps"].text == "1e-12 -> 1e-10"
    assert rows["additive", True, "field unheard"].operations == ("get_info",)
    assert len(rows["additive", True, "header x-unheard"].operations) > 20
