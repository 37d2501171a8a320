"""What people type into the chat and the review pages, checked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from django import forms
from django.utils.translation import gettext_lazy as _

from documents.models import KnowledgeBase
from qa.explanations import AS_CONFIGURED
from qa.models import AnswerJudgement
from qa.review import UNJUDGED, reviewed_bases
from qa.scoring import PRESETS

if TYPE_CHECKING:
    from accounts.models import User
    from qa.types import Wishes


class AskForm(forms.Form):
    """A question, whom to ask and whether to rerank. Offers only what the viewer may ask."""

    text = forms.CharField(label=_("Your question"), strip=True, max_length=2000)
    knowledge_bases = forms.ModelMultipleChoiceField(
        KnowledgeBase.objects.none(), label=_("Knowledge bases"), required=False
    )
    with_rerank = forms.BooleanField(label=_("Rerank"), required=False)

    def __init__(self, *args: object, viewer: User, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        bases = self.fields["knowledge_bases"]
        field = cast("forms.ModelMultipleChoiceField[KnowledgeBase]", bases)
        field.queryset = KnowledgeBase.objects.visible_to(viewer).order_by("name", "pk")


class WishesForm(forms.Form):
    """What is to be otherwise when a question is answered again; what is not sent stays."""

    time = forms.ChoiceField(required=False, choices=[("on", ""), ("off", "")])
    preset = forms.ChoiceField(
        required=False, choices=[(name, "") for name in (*PRESETS, AS_CONFIGURED)]
    )

    def wishes(self, before: Wishes) -> Wishes:
        """``before`` with what was sent. Only of a valid form."""
        time, preset = self.cleaned_data["time"], self.cleaned_data["preset"]
        if time:
            before = replace(before, follow_time=time == "on")
        if preset:
            before = replace(before, preset="" if preset == AS_CONFIGURED else preset)
        return before


class RenameForm(forms.Form):
    """A conversation's new title."""

    title = forms.CharField(label=_("Title"), max_length=200)


class ReviewFilterForm(forms.Form):
    """Which answers the review list shows."""

    verdict = forms.ChoiceField(
        label=_("Verdict"),
        required=False,
        choices=[
            ("", _("All")),
            (UNJUDGED, _("Not reviewed yet")),
            *AnswerJudgement.Verdict.choices,
        ],
    )
    knowledge_base = forms.ModelChoiceField(
        KnowledgeBase.objects.none(),
        label=_("Knowledge base"),
        required=False,
        empty_label=_("All"),
    )

    def __init__(self, *args: object, viewer: User, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        field = cast("forms.ModelChoiceField[KnowledgeBase]", self.fields["knowledge_base"])
        mine = [base.pk for base in reviewed_bases(viewer)]
        field.queryset = KnowledgeBase.objects.filter(pk__in=mine).order_by("name", "pk")


class AnswerJudgementForm(forms.Form):
    """A verdict on the whole answer, with a comment."""

    verdict = forms.ChoiceField(label=_("Verdict"), choices=AnswerJudgement.Verdict.choices)
    comment = forms.CharField(
        label=_("Comment"), required=False, max_length=4000, widget=forms.Textarea({"rows": 3})
    )
