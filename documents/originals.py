"""The files of documents, those made from them, and erasing both."""

from __future__ import annotations

import shutil
from pathlib import Path

from documents.models import DocumentVersion


def pages_folder(version: DocumentVersion) -> Path:
    """Where the pictures of a version's pages lie: beside its original, and erased with it."""
    original = Path(version.original.path)
    return original.with_name(f"{original.name}.pages")


def page_file(version: DocumentVersion, page: int) -> Path:
    """The picture of page ``page``, from 1."""
    return pages_folder(version) / f"{page}.webp"


def erase_originals() -> int:
    """Delete the files that purged documents still have. Returns how many versions had one.

    The row names its file until that is gone, so what an end of the program cuts short is finished
    by the next call. Call it outside a transaction: a file does not come back with a rollback.
    """
    kept = DocumentVersion.objects.exclude(document__purged_at=None).exclude(original="")
    versions = list(kept.only("original"))
    for version in versions:
        shutil.rmtree(pages_folder(version), ignore_errors=True)
        version.original.delete(save=False)
        DocumentVersion.objects.filter(pk=version.pk).update(original="")
    return len(versions)
