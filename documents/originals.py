"""The files of documents that were erased for good."""

from __future__ import annotations

from documents.models import DocumentVersion


def erase_originals() -> int:
    """Delete the files that purged documents still have. Returns how many versions had one.

    The row names its file until that is gone, so what an end of the program cuts short is finished
    by the next call. Call it outside a transaction: a file does not come back with a rollback.
    """
    kept = DocumentVersion.objects.exclude(document__purged_at=None).exclude(original="")
    versions = list(kept.only("original"))
    for version in versions:
        version.original.delete(save=False)
        DocumentVersion.objects.filter(pk=version.pk).update(original="")
    return len(versions)
