"""`tinkerproof drift`: the contract and the installed SDK, or two releases of the SDK, compared."""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["add_drift"]

ALIKE, DIFFERS, CANNOT_RUN = 0, 1, 2
CACHE = Path("~/.cache/tinkerproof/wheels")
ENDINGS = ("txt", "md", "json")


def add_drift(parser: argparse.ArgumentParser) -> None:
    """Add the options to the subcommand."""
    parser.add_argument("--sdk", type=_release, metavar="VERSION", help="classify a release of the SDK")
    parser.add_argument(
        "--against",
        type=_release,
        metavar="VERSION",
        help="the older one (the contract's; for a release that is no newer, the one before)",
    )
    parser.add_argument(
        "--wheel",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a release that is not fetched; may be repeated",
    )
    parser.add_argument("--cache", type=Path, default=CACHE, metavar="DIR", help=f"of wheels ({CACHE})")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--report",
        type=_report,
        action="append",
        default=[],
        metavar="FILE",
        help="write it as .md for a pull request, .json or .txt; may be repeated",
    )
    parser.set_defaults(run=_drift)


def _release(text: str) -> str:
    if re.fullmatch(r"\d+\.\d+\.\d+", text) is None:
        raise argparse.ArgumentTypeError(f"expected a release such as 0.25.0, got {text!r}")
    return text


def _report(text: str) -> Path:
    path = Path(text)
    if path.suffix[1:] not in ENDINGS:
        endings = ", ".join(f".{ending}" for ending in ENDINGS)
        raise argparse.ArgumentTypeError(f"expected a file that ends in one of {endings}, got {text!r}")
    return path


def _drift(options: argparse.Namespace) -> int:
    if options.sdk is not None:
        return _between(options)
    if options.against or options.wheel or options.report or options.json:
        return _complain("--against, --wheel, --json and --report need --sdk VERSION")
    from contract.drift import drift, report

    try:
        differences = drift()
    except ModuleNotFoundError as error:
        return _complain(f"{error}; install the SDK with pip install 'tinkerproof[sdk]'")
    if differences:
        print(report(differences))
    return DIFFERS if differences else ALIKE


def _between(options: argparse.Namespace) -> int:
    """Status 0 where a server of the older kind goes on, 1 where not, 2 where something is unknown."""
    from contract.drift.told import FORMS
    from contract.drift.wheels import find_wheel, unpacked
    from fake_server.drift import Release, drift_between

    cache = options.cache.expanduser()
    try:
        if missing := [path for path in options.wheel if not path.is_file()]:
            raise FileNotFoundError(f"--wheel: expected a file, got none at {missing[0]}")
        releases = []
        for version in (_older(options.sdk, options.against, options.wheel), options.sdk):
            _note(f"getting {version}")
            wheel = find_wheel(version, options.wheel, cache)
            releases.append(Release(version, unpacked(wheel, cache)))
        found = drift_between(releases[0], releases[1], _note)
        for path in options.report:
            path.write_text(f"{FORMS[path.suffix[1:]](found)}\n", encoding="utf-8")
    except (LookupError, OSError, RuntimeError, ValueError) as error:
        return _complain(str(error))
    print(FORMS["json" if options.json else "txt"](found))
    return found.status


def _older(newer: str, given: str | None, wheels: Sequence[Path]) -> str:
    """The contract's release for one that is newer, else the release before."""
    from contract.drift.wheels import previous_release
    from contract.versions import NEWEST, SdkVersion

    if given is not None:
        return given
    is_new = SdkVersion.parse(newer) > SdkVersion.parse(NEWEST)
    return NEWEST if is_new else previous_release(newer, wheels)


def _note(text: str) -> None:
    print(f"tinkerproof: drift: {text}", file=sys.stderr, flush=True)


def _complain(text: str) -> int:
    _note(text)
    return CANNOT_RUN
