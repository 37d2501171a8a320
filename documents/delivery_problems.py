"""What can go wrong with an archive or a web page, in words; the rest is as for any document."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from documents.problems import Problem, explain

_AS_A_FILE = _("Save the page as a file in your browser and upload that.")

PROBLEMS: dict[str, Problem] = {
    # ---- archives ----
    "archive_empty": Problem(
        _("There are no files in the archive."),
        _("Pack the documents into it and upload it again."),
    ),
    "archive_too_many": Problem(
        _("There are more files in the archive than are taken at once, which is 5,000."),
        _("Split it into several archives."),
    ),
    "archive_bomb": Problem(
        _("Unpacked it would be far larger than it is or says, as traps for programs are."),
        _("Unpack it on your computer, look at it, and upload the files by themselves."),
    ),
    "archive_nested": Problem(
        _("It is an archive inside the archive, which is not unpacked."),
        _("Upload it by itself."),
    ),
    "archive_link": Problem(
        _("It is a link and not a file."), _("Pack the file that it leads to instead.")
    ),
    "archive_method": Problem(
        _("It is packed in a way that cannot be read here."),
        _("Unpack it on your computer and upload the file."),
    ),
    # ---- web pages ----
    "web_off": Problem(_("Fetching of web pages is switched off here."), _AS_A_FILE),
    "web_address": Problem(
        _(
            "The address is not a public one: only http and https on their usual ports are"
            " fetched, and nothing that belongs to a private network."
        ),
        _AS_A_FILE,
    ),
    "web_unreachable": Problem(
        _("The server of this address could not be reached."),
        _("Check the address, and try again later."),
    ),
    "web_refused": Problem(
        _("The server did not give the page."),
        _(
            "See whether it opens in a private window of your browser. If it asks to sign in, save"
            " the page as a file and upload that."
        ),
    ),
    "web_redirects": Problem(
        _("The address leads on and on to others."),
        _("Open it in your browser and copy the address where it ends."),
    ),
    "web_timeout": Problem(_("The server took too long."), _("Try again later.")),
    "web_type": Problem(
        _("What is at the address is of a type that cannot be read."),
        _("Save it in a type that can be read, and upload that."),
    ),
    # ---- both ----
    "not_allowed": Problem(
        _("Whoever asked for it may not add documents here any more."),
        _("Somebody who may can ask for it again."),
    ),
    "lost": Problem(
        _("The program that worked on it ended several times without finishing."),
        _("Try again. What was taken until then is kept."),
    ),
}


def explain_delivery(code: str) -> Problem:
    """The words for an error code of a delivery or of one file of it."""
    return PROBLEMS.get(code) or explain(code)
