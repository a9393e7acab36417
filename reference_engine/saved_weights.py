"""Weights that a server keeps for as long as it likes: in memory, or on disk when memory runs short."""

from collections.abc import Mapping
from dataclasses import dataclass

from reference_engine.checkpoints import AdapterWeights
from reference_engine.shelf import Place, Shelf

__all__ = ["SavedWeights"]


@dataclass(frozen=True, slots=True, eq=False)
class SavedWeights:
    """An adapter at one moment, on a shelf; gone from there when nobody refers to these weights any more."""

    place: Place[AdapterWeights]
    shell: AdapterWeights
    """The weights with tensors that have a shape and no numbers."""

    @classmethod
    def on(cls, shelf: Shelf, weights: AdapterWeights) -> "SavedWeights":
        """Put weights on a shelf.

        Raises:
            RequestFailure: as `Shelf.place` does.
        """
        shell = weights.with_tensors({name: tensor.to("meta") for name, tensor in weights.tensors.items()})
        return cls(shelf.place(weights), shell)

    @property
    def size_bytes(self) -> int:
        """Size of all files together; nothing is read."""
        return self.shell.size_bytes

    def whole(self) -> AdapterWeights:
        """The weights with their numbers, read back if they are on disk.

        Raises:
            RequestFailure: as `Place.get` does.
        """
        found = self.place.get()
        return found.without_optimizer() if self.shell.moments is None else found

    def files(self) -> Mapping[str, bytes]:
        """The files, by name."""
        return self.whole().files()

    def without_optimizer(self) -> "SavedWeights":
        """The same adapter in the same place, no optimizer state; nothing is copied or read."""
        return SavedWeights(self.place, self.shell.without_optimizer())
