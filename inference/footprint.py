"""How much room a local model takes on disk, and where it runs."""

from __future__ import annotations

import os
from pathlib import Path

from inference.base_model import base_model_path
from inference.bundled import WEIGHTS
from inference.errors import ModelUnavailable


def bundled_mb() -> tuple[float, float]:
    """MiB of the shipped difference, and of the base model that it is laid over.

    Raises ``ModelUnavailable`` when the base model is not installed.
    """
    return folder_mb(WEIGHTS), folder_mb(base_model_path())


def local_mb(model: str, revision: str = "") -> float | None:
    """MiB of a sentence-transformers model by path or name; ``None`` when it is not here.

    A name is looked up where the libraries keep what they fetched; nothing is fetched.
    """
    path = Path(model)
    if path.is_dir():
        return folder_mb(path)
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
    except ImportError:
        return None
    try:
        found = snapshot_download(model, revision=revision or None, local_files_only=True)
    except (LocalEntryNotFoundError, HFValidationError, OSError):
        return None
    return folder_mb(Path(found))


def folder_mb(folder: Path) -> float:
    """MiB of all files below ``folder``, links followed, each file once."""
    seen: dict[tuple[int, int], int] = {}
    for root, _folders, names in os.walk(folder):
        for name in names:
            try:
                entry = (Path(root) / name).stat()
            except OSError:
                continue
            seen[entry.st_dev, entry.st_ino] = entry.st_size
    return sum(seen.values()) / (1024 * 1024)


def local_device() -> str:
    """Where the libraries run a model: the name of a GPU, or ``CPU``. Imports torch.

    Raises ``ModelUnavailable`` when the library is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise ModelUnavailable("torch is not installed") from error
    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name(0))
    return "Apple GPU" if torch.backends.mps.is_available() else "CPU"
