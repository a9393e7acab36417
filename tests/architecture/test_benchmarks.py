"""The benchmarks are run by hand; here only that they still can be."""

import importlib
import pkgutil

import pytest

import benchmarks
from benchmarks import scripted
from benchmarks.figure import Figure, as_markdown, at_least, at_most, below

MODULES = [module.name for module in pkgutil.iter_modules(benchmarks.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_imports(name):
    importlib.import_module(f"benchmarks.{name}")


def test_a_tiny_run_gives_figures():
    figures = scripted.measure(calls=1)

    assert all(figure.ours > 0 for figure in figures)


def test_a_figure_says_whether_its_targets_are_met():
    met = Figure(
        "speed", 3000.0, "/s", (at_least(0.5, of_ratio=True), at_least(2900)), ("bare", 4000.0), 0.75
    )
    missed = Figure("start", 1.25, "s", (below(1),))

    assert as_markdown([met, missed]).splitlines()[2:] == [
        "| speed | 3,000 /s | bare: 4,000 /s | 0.75 | ≥ 0.5 of it, ≥ 2,900 /s | yes |",
        "| start | 1.250 s |  |  | < 1 s | **no** |",
    ]


@pytest.mark.parametrize(("value", "shown"), [(0.0, "0 nats |  |  | ≤ 0 nats | yes"), (2e-6, "2.0e-06 nats")])
def test_a_bound_that_is_at_most_itself_is_kept_by_zero_alone(value, shown):
    figure = Figure("gap", value, "nats", (at_most(0),))

    assert figure.met == (value == 0)
    assert f"| gap | {shown}" in as_markdown([figure])
