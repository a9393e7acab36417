"""The base models to serve: names, and where on disk each one is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contract import split_base_model
from reference_engine.folders import CONFIG
from reference_engine.weight_files import gguf_file

__all__ = ["BUILT_IN", "PICO", "Catalog", "CatalogEntry"]

BUILT_IN = "tinkerproof/pico"
PICO = Path(__file__).parent / "pico"
"""The built-in model's folder."""


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A base model on disk."""

    name: str
    """As it is served, with its `:peft:LENGTH` if it was given one."""
    path: Path
    """Its folder or GGUF file, without symlinks: names of the same path are the same weights."""
    context_length: int | None = None
    """Tokens that the name asks for; None leaves it to the model."""


class Catalog:
    """The base models to serve, in the order to list them: the built-in one, those named, those of a root.

    What is named replaces the built-in model or one of the root that has the same name, in its place.

    Args:
        models: Name and path of each, as `--model NAME=PATH`.
        models_root: A folder laid out like a hub, `ORG/NAME/config.json`; symlinks are followed.
        base_models: Serve exactly these of them, in this order; empty means all.

    Raises:
        OSError: if a path is not there.
        ValueError: if a path is no model, or a name is given two paths.
        LookupError: if `base_models` has a name that none of them has.
    """

    def __init__(
        self,
        models: Sequence[tuple[str, str]] = (),
        models_root: str | None = None,
        base_models: Sequence[str] = (),
    ) -> None:
        entries = {BUILT_IN: CatalogEntry(BUILT_IN, PICO)} | _named(models)
        for entry in _found(models_root):
            entries.setdefault(entry.name, entry)
        self._entries: Mapping[str, CatalogEntry] = entries
        if base_models:
            self._entries = {name: self._limited(name) for name in base_models}

    @property
    def entries(self) -> tuple[CatalogEntry, ...]:
        """All base models, in the order to list them."""
        return tuple(self._entries.values())

    def find(self, name: str) -> CatalogEntry:
        """The base model of that name, or for `NAME:peft:LENGTH` that of `NAME` with another context.

        Raises:
            LookupError: listing the names that there are.
            ValueError: if what follows `:peft:` is no length.
        """
        if name in self._entries:
            return self._entries[name]
        plain, length = split_base_model(name)
        if plain not in self._entries:
            known = ", ".join(self._entries)
            raise LookupError(
                f"base_model: expected one of {known}, got {name!r}; add it with --model NAME=PATH"
            )
        return CatalogEntry(name, self._entries[plain].path, length)

    def _limited(self, name: str) -> CatalogEntry:
        try:
            return self.find(name)
        except (LookupError, ValueError) as error:
            raise type(error)(f"--base-model {name}: {error}") from None


def _named(models: Sequence[tuple[str, str]]) -> dict[str, CatalogEntry]:
    """What `--model NAME=PATH` names, each once."""
    entries: dict[str, CatalogEntry] = {}
    for name, path in models:
        where = f"--model {name}={path}"
        try:
            entry = CatalogEntry(name, _model_at(Path(path)), split_base_model(name)[1])
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{where}: {error}") from None
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        if entries.setdefault(name, entry).path != entry.path:
            raise ValueError(f"{where}: expected one path for a name, got {entries[name].path} too; drop one")
    return entries


def _model_at(path: Path) -> Path:
    """Where a model is, without symlinks: the GGUF file if it is one, else the folder.

    Raises:
        FileNotFoundError: if there is nothing.
        ValueError: if it is no model.
    """
    expected = f"expected a folder with {CONFIG}, or a GGUF file"
    if not path.exists():
        raise FileNotFoundError(f"{expected}, got no such path; is it spelled right?")
    if path.is_file() and path.suffix != ".gguf":
        raise ValueError(f"{expected}, got a file *{path.suffix}; name the folder")
    file = gguf_file(path)
    if file is not None:
        return file.parent.resolve() / file.name
    if not (path / CONFIG).is_file():
        raise ValueError(f"{expected}, got a folder without either; is it the model's folder?")
    return path.resolve()


def _found(root: str | None) -> Iterator[CatalogEntry]:
    """The models of a folder laid out like a hub, by name; the rest, such as data sets, is passed over."""
    if root is None:
        return
    where = f"--models-root {root}: expected a folder with models as ORG/NAME/{CONFIG}"
    if not Path(root).is_dir():
        raise NotADirectoryError(f"{where}, got no folder; is it spelled right?")
    folders = sorted(path for path in Path(root).glob("*/*") if path.is_dir())
    empty = True
    for folder in folders:
        try:
            path = _model_at(folder)
        except ValueError:
            continue
        empty = False
        yield CatalogEntry(f"{folder.parent.name}/{folder.name}", path)
    if empty:
        raise ValueError(f"{where}, got {len(folders)} folders and no model; is it the right folder?")
