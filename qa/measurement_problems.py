"""What can go wrong with a measurement, in words: a sentence, and what the reader can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from documents.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

_AGAIN = _("Measure again. If it fails once more, tell an administrator.")
_SETTINGS = _("Ask an administrator to check the reranker's settings, then measure again.")

_UNKNOWN = Problem(_("Something went wrong while this was measured."), _AGAIN)

PROBLEMS: Mapping[str, Problem] = {
    # ---- the reranker ----
    "no_reranker": Problem(_("This reranker cannot be used on this installation."), _SETTINGS),
    "model_unavailable": Problem(_("The reranker cannot be loaded or reached."), _SETTINGS),
    "model_timeout": Problem(
        _("The reranker did not finish its first passage in time."), _SETTINGS
    ),
    "invalid_model_response": Problem(
        _("The reranker gave an answer that cannot be used."), _SETTINGS
    ),
    "model_error": Problem(_("The reranker failed."), _SETTINGS),
    "model_rate_limited": Problem(
        _("The server had too many requests."), _("Wait for a while, then measure again.")
    ),
    "model_refused": Problem(_("The server refused the request."), _SETTINGS),
    "model_key_refused": Problem(
        _("The server did not accept the key."),
        _("Ask an administrator to renew the key, then measure again."),
    ),
    "model_key_missing": Problem(
        _("The variable or file that should hold the key is empty."),
        _("Ask an administrator to set it, then measure again."),
    ),
    # ---- the questions ----
    "no_samples": Problem(
        _("The sample documents of this installation are missing or cannot be read."),
        _("Measure on a knowledge base's own questions, or ask an administrator to restore them."),
    ),
    "no_questions": Problem(
        _("The knowledge base has no test questions any more that fit its index."),
        _("Grade the sources of some answers in review, and keep their questions."),
    ),
    "not_allowed": Problem(
        _("Who asked for this does not curate the knowledge base any more."),
        _("Somebody who does may measure again."),
    ),
    # ---- the program ----
    "memory": Problem(
        _("The program that measured was ended from outside, most likely for lack of memory."),
        _("Choose a smaller reranker, or give the machine more memory."),
    ),
    "timeout": Problem(
        _("Measuring took too long and was stopped."),
        _("Ask an administrator for a shorter time limit or fewer passages for this reranker."),
    ),
    "crashed": Problem(_("The program that measured failed."), _AGAIN),
    "worker_lost": Problem(_("The worker that measured was lost twice."), _AGAIN),
}


def explain(code: str) -> Problem:
    """The words for an error code; a general sentence for one that has none of its own."""
    return PROBLEMS.get(code, _UNKNOWN)
