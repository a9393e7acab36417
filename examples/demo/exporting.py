"""An adapter as files: saved for others, downloaded through signed URLs."""

from pathlib import Path
from urllib.request import urlopen

from tinker import RestClient, TrainingClient

__all__ = ["NEEDED", "export"]

NEEDED = frozenset({"adapter_config.json", "adapter_model.safetensors"})
"""The files of an adapter that peft reads."""


def export(client: TrainingClient, rest: RestClient, folder: Path) -> dict[str, int]:
    """Save the adapter and download it to a folder; the size of each file in bytes."""
    path = client.save_weights_external("export").result().path
    urls = rest.get_external_weights_urls(path).result().urls
    sizes = {}
    for name, url in sorted(urls.items()):
        with urlopen(url) as answer:
            sizes[name] = (folder / name).write_bytes(answer.read())
    return sizes
