import json
from pathlib import Path

import contract
from contract.losses import LOSSES
from contract.model import Since, Until
from contract.operations import OPERATIONS, UNSERVED
from pydantic import BaseModel

MEASURED = json.loads(Path(__file__).with_name("since.json").read_text())
"""First and last SDK release of what came or went, measured over 75 releases."""


def test_every_field_says_since_and_until_when_it_exists():
    annotated = {}
    for name in contract.__all__:
        kind = getattr(contract, name)
        for field, info in getattr(kind, "model_fields", {}).items():
            since = next((m.version for m in info.metadata if isinstance(m, Since)), None)
            until = next((m.version for m in info.metadata if isinstance(m, Until)), None)
            if since or until:
                annotated[f"{name}.{field}"] = [since, until]
    assert annotated == MEASURED["fields"]


def test_every_operation_says_since_and_until_when_it_exists():
    said = {row.name: [row.since, row.until] for row in (*OPERATIONS, *UNSERVED) if "/oai/" not in row.path}
    assert said == MEASURED["operations"]


def test_every_loss_says_since_when_it_exists():
    assert {loss.name: loss.since for loss in LOSSES.values()} == MEASURED["losses"]
