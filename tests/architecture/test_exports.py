import importlib
import pkgutil
from types import FunctionType

import pytest

import contract
import fake_server

MODULES = sorted(
    info.name
    for package in (contract, fake_server)
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not info.name.endswith(("_pb2", "__main__"))
)


@pytest.mark.parametrize("name", [m for m in MODULES if importlib.import_module(m).__doc__ is not None])
def test_what_a_module_exports_is_there_and_its_own(name):
    module = importlib.import_module(name)
    for exported in getattr(module, "__all__", ()):
        value = getattr(module, exported)
        home = value.__module__ if isinstance(value, type | FunctionType) else name
        assert not home.startswith(("contract.", "fake_server.")) or home.startswith(name)


@pytest.mark.parametrize("name", [*MODULES, "contract"])
def test_exports_are_sorted_and_said_once(name):
    exported = list(getattr(importlib.import_module(name), "__all__", ()))
    assert exported == sorted(set(exported), key=_order)


def _order(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions: as ruff sorts them."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


@pytest.mark.parametrize("name", [m for m in MODULES if m.startswith("contract.")])
def test_every_module_of_the_contract_says_what_it_exports(name):
    module = importlib.import_module(name)
    own = {
        k for k, v in vars(module).items() if not k.startswith("_") and getattr(v, "__module__", "") == name
    }
    assert hasattr(module, "__all__") or not own


def test_the_contract_exports_what_its_modules_of_types_export():
    modules = {"codec", "drift", "laws", "links", "openapi", "programs", "strategies", "versions"}
    apart = {f"contract.{name}" for name in modules}
    modules = [m for m in MODULES if m.count(".") == 1 and m.startswith("contract.") and m not in apart]
    exported = {name for m in modules for name in getattr(importlib.import_module(m), "__all__", ())}
    assert exported == set(contract.__all__)
