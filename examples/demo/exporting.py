"""An adapter as files: saved for others, downloaded through signed URLs, written as peft reads it."""

from pathlib import Path
from urllib.request import urlopen

from tinker import RestClient, TrainingClient

from fake_server.exports import export

__all__ = ["NEEDED", "downloaded", "exported"]

NEEDED = frozenset({"adapter_config.json", "adapter_model.safetensors"})
"""The files of an adapter that peft reads."""


def downloaded(client: TrainingClient, rest: RestClient, folder: Path) -> Path:
    """Save the adapter and download its files, named as the service names them, to a new folder."""
    path = client.save_weights_external("export").result().path
    folder.mkdir()
    for name, url in rest.get_external_weights_urls(path).result().urls.items():
        with urlopen(url) as answer:
            (folder / name).write_bytes(answer.read())
    return folder


def exported(source: Path, out: Path) -> dict[str, int]:
    """The same adapter under the names of peft, as `tinkerproof export` writes it; bytes of each file."""
    return {path.name: path.stat().st_size for path in sorted(export(source, "peft", out))}
