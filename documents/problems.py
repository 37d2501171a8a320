"""What can go wrong with a document, in words: a sentence, and what the reader can do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_stubs_ext import StrOrPromise


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a document is not ready, and the remedy; both translated when shown."""

    sentence: StrOrPromise
    remedy: StrOrPromise


_UPLOAD_AGAIN = _("Save it again in its own program and upload the new file.")

_UNKNOWN = Problem(
    _("Something went wrong while this document was processed."),
    _("Try again. If it fails once more, tell an administrator."),
)

PROBLEMS: dict[str, Problem] = {
    # ---- the file ----
    "empty": Problem(_("The file is empty."), _("Upload a file that has some content.")),
    "encrypted": Problem(
        _("The file is protected by a password."),
        _("Remove the password in the program that made it, and upload it again."),
    ),
    "truncated": Problem(
        _("The file is damaged or incomplete: it ends too early or cannot be opened."),
        _("Get a complete copy, check that it opens on your computer, and upload that."),
    ),
    "mislabelled": Problem(
        _("The file is not what its name says: the content is of another type."),
        _("Give it the ending that fits its content, or save it in the type you meant."),
    ),
    "unsupported": Problem(
        _("Files of this type cannot be read."),
        _(
            "Save it in a format for documents, such as PDF, DOCX, PPTX, XLSX, HTML or plain text, "
            "and upload that."
        ),
    ),
    "unreadable": Problem(
        _("The file or folder cannot be opened."),
        _("Allow the one who runs the command to read it, and run the command again."),
    ),
    "too_large": Problem(
        _("The file is too large to be read."),
        _("Split it into smaller files, or remove what need not be searched."),
    ),
    "bomb": Problem(
        _("The file is made so that it grows without end when it is opened."),
        _("Do not open it elsewhere either. If you know who made it, ask for another copy."),
    ),
    "nested": Problem(
        _("The parts of the file lie inside each other deeper than any document needs."),
        _("Copy its text into a new file, or split it, and upload that."),
    ),
    "macros": Problem(
        _("There are programs (macros) in the file."),
        _("Save it in a format without macros, such as DOCX, XLSX or PPTX, and upload that."),
    ),
    "outdated": Problem(
        _("The file was made by a program from before 1997, and its format is not read any more."),
        _("Open it in a program of today, save it in its format, and upload that."),
    ),
    "timeout": Problem(
        _("Reading the file took too long and was stopped."),
        _("Split it into smaller files, or save it in a simpler format."),
    ),
    "memory": Problem(
        _("Reading the file needed too much memory and was stopped."),
        _("Split it into smaller files, or remove large pictures."),
    ),
    "recognition": Problem(
        _("The text in a picture of this file could not be recognised."),
        _("Scan it again with higher contrast, or upload the pages as text."),
    ),
    "no_text": Problem(
        _("There is no text in the file. It may hold scanned pictures of pages."),
        _("Run text recognition (OCR) on it first, and upload the result."),
    ),
    "needs_recognition": Problem(
        _("The pages are pictures, and text recognition is not installed here."),
        _(
            "Ask an administrator to install tesseract and try again, or run text recognition "
            "(OCR) on the file first and upload the result."
        ),
    ),
    "crashed": Problem(_("The file made the program that reads it fail."), _UPLOAD_AGAIN),
    "killed": Problem(
        _("The program that read the file was ended from outside."),
        _("Try again. If it happens once more, tell an administrator."),
    ),
    "cancelled": Problem(
        _("Processing was cancelled."), _("Process it again if it should be found.")
    ),
    "missing_original": Problem(
        _("The stored original cannot be found any more."), _("Upload the file again.")
    ),
    "no_page": Problem(
        _("This page cannot be drawn: the file is damaged there."),
        _("Open the original instead."),
    ),
    "disk_full": Problem(_("There is no room left on the disk."), _("Tell an administrator.")),
    # ---- the models ----
    "model_unavailable": Problem(
        _("The embedding model cannot be reached."),
        _("It is tried again by itself. If this lasts, tell an administrator."),
    ),
    "model_timeout": Problem(
        _("The embedding model did not answer in time."),
        _("It is tried again by itself. If this lasts, tell an administrator."),
    ),
    "invalid_model_response": Problem(
        _("The embedding model gave an answer that cannot be used."),
        _("Tell an administrator to check the model's settings, then try again."),
    ),
    "model_error": Problem(
        _("The embedding model failed."),
        _("Tell an administrator to check the model's settings, then try again."),
    ),
    # ---- the workers ----
    "database_unavailable": Problem(
        _("The database went away in the middle of the work."),
        _("It is tried again by itself. If this lasts, tell an administrator."),
    ),
    "internal": Problem(
        _("A part of Ragsite failed while it processed this document."),
        _("Try again. If it fails once more, tell an administrator: the log says what failed."),
    ),
    "lost": Problem(
        _("The program that processed this document ended several times without finishing."),
        _("Try again. If it fails once more, the file may be too demanding: split it."),
    ),
    "lost_build": Problem(
        _("The program that built the index ended several times without finishing."),
        _("Build it again. If it fails once more, tell an administrator."),
    ),
    "internal_build": Problem(
        _("A part of Ragsite failed while it built the index."),
        _(
            "Build it again. If it fails once more, tell an administrator:"
            " the log says what failed."
        ),
    ),
    "index_gone": Problem(
        _("The index that was being built has been removed meanwhile."), _("Build it again.")
    ),
    "interrupted": Problem(
        _("The command that built the index was stopped."), _("Build it again.")
    ),
    "model_changed": Problem(
        _("The index needs an embedding model that is not configured any more."),
        _("Build a new one, or ask an administrator to configure that model again."),
    ),
    "superseded": Problem(
        _("A newer version of this document was ready first."),
        _("Nothing needs to be done."),
    ),
    "deleted": Problem(
        _("The document was deleted while it was processed."),
        _("Restore it and try again if it should be found."),
    ),
}


WARNINGS: dict[str, Problem] = {
    "not_recognised": Problem(
        _("Pages that are pictures were left out: text recognition is not installed here."),
        _("Ask an administrator to install tesseract, and process the document again."),
    ),
    "unreadable_pages": Problem(
        _("Pages that are pictures could not be read, or there was no time left for them."),
        _("Split the file, or run text recognition (OCR) on it first, and upload the result."),
    ),
    "recognised": Problem(
        _("Pages are pictures: their text was recognised and may hold errors."),
        _("Compare what matters with the page itself."),
    ),
}
"""What is less than perfect about a document that is ready."""


@dataclass(frozen=True, slots=True)
class PageWarning:
    """What is to be known about a document that is ready, and the pages that it is about."""

    problem: Problem
    pages: str


def warnings_of(metadata: Mapping[str, object]) -> list[PageWarning]:
    """Those that the parser left in a version's metadata, under ``warning.`` and their code."""
    return [
        PageWarning(problem, str(metadata[f"warning.{code}"]))
        for code, problem in WARNINGS.items()
        if f"warning.{code}" in metadata
    ]


def explain(code: str) -> Problem:
    """The words for an error code; a general sentence for one that has none of its own."""
    return PROBLEMS.get(code, _UNKNOWN)
