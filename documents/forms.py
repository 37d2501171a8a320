"""What curators type into the pages of this app, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from documents.bases import PRESET_NAMES, WEIGHTS, check_weights
from documents.curating import MAX_CHUNK_CHARACTERS
from documents.models import Document, KnowledgeBase, Membership
from documents.presets import FACTORS, PRESETS, preset_of
from documents.reindexing import LEAST_TOKENS, MOST_OVERLAP, MOST_TOKENS, embedder_choices

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django_stubs_ext import StrOrPromise

OWN_WEIGHTS = "own"
MOST_TAGS = 20


class LinesField(forms.CharField):
    """Several short texts, one per line; blank lines are dropped."""

    widget = forms.Textarea

    def __init__(self, *, line_length: int, most: int, **kwargs: Any) -> None:
        self.line_length = line_length
        self.most = most
        super().__init__(**kwargs)

    def prepare_value(self, value: object) -> object:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: object) -> list[str]:
        text = super().clean(value) or ""
        lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
        if len(lines) > self.most:
            raise ValidationError(
                _("At most %(most)d lines, please."), code="most", params={"most": self.most}
            )
        if any(len(line) > self.line_length for line in lines):
            raise ValidationError(
                _("A line may have at most %(length)d characters."),
                code="length",
                params={"length": self.line_length},
            )
        return lines


class TagsField(forms.CharField):
    """Tags with commas between them, each once."""

    def prepare_value(self, value: object) -> object:
        return ", ".join(value) if isinstance(value, list) else value

    def clean(self, value: object) -> list[str]:
        text = (super().clean(value) or "").replace("，", ",")
        tags = list(dict.fromkeys(tag.strip() for tag in text.split(",") if tag.strip()))
        if len(tags) > MOST_TAGS or any(len(tag) > 40 for tag in tags):
            raise ValidationError(_("At most 20 tags of at most 40 characters each."), code="tags")
        return tags


class KnowledgeBaseForm(forms.ModelForm[KnowledgeBase]):
    """Name, visibility and ranking. The services store it; ``save`` is not called.

    A preset fills in the four weights; whoever changes a weight has weights of their own.
    """

    preset = forms.ChoiceField(
        label=_("What counts"),
        required=False,
        choices=[*PRESET_NAMES.items(), (OWN_WEIGHTS, _("Weights of your own, below"))],
        widget=forms.RadioSelect,
        help_text=_(
            "Balanced also counts how much of the question a passage covers, how easily it reads"
            " and how new it is. Relevance only suits collections for specialists, and those where"
            " the evaluation shows no gain from the other factors."
        ),
    )
    suggested_questions = LinesField(
        label=_("Example questions"),
        required=False,
        line_length=200,
        most=12,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("One per line. Shown to people who have not asked yet."),
    )

    class Meta:
        model = KnowledgeBase
        fields = (
            "name",
            "description",
            "visibility",
            "suggested_questions",
            "rerank_enabled",
            "reranker",
            "candidates",
            "sources",
            *WEIGHTS,
            "relevance_floor",
            "half_life_days",
            "is_paused",
        )
        labels = {
            "rerank_enabled": _("Rerank what was found"),
            "relevance_weight": _("Weight of relevance"),
            "completeness_weight": _("Weight of completeness"),
            "readability_weight": _("Weight of readability"),
            "timeliness_weight": _("Weight of timeliness"),
            "is_paused": _("Pause the processing of documents"),
        }
        help_texts = {
            "visibility": _("Private: only the members you add can ask it or know that it exists."),
            "candidates": _("How many passages are read carefully for each question, 5 to 200."),
            "sources": _("How many of them an answer may be built from, 1 to 20."),
            "relevance_floor": _(
                "Passages less relevant than this (0 to 1) are never used, however easy or new."
            ),
            "half_life_days": _("After so many days a document counts half as timely."),
            "is_paused": _("Uploads wait until this is taken back. Asking goes on."),
        }
        widgets = {
            "name": forms.TextInput(attrs={"autofocus": True}),
            "description": forms.Textarea(attrs={"rows": 3}),
        }

    BASIC = ("name", "description", "visibility", "suggested_questions")
    SHOWN_ELSEWHERE = (*BASIC, "reranker")
    """The page lists the rerankers that can be chosen; this app knows them by name only."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = {field: float(getattr(self.instance, field)) for field in WEIGHTS}
        self.fields["preset"].initial = _preset_of(stored) or OWN_WEIGHTS

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        preset = cleaned.pop("preset", "")
        weights = {field: cleaned.get(field) for field in WEIGHTS}
        given = {field: float(value) for field, value in weights.items() if value is not None}
        if len(given) < len(WEIGHTS):
            return cleaned
        if preset in PRESETS and preset != _preset_of(given):
            typed = not set(WEIGHTS).isdisjoint(self.changed_data)
            if typed and "preset" in self.changed_data:
                self.add_error(
                    "preset",
                    _("The weights below are not those of this preset. Choose one or the other."),
                )
            elif not typed:
                cleaned |= {f"{name}_weight": PRESETS[preset][name] for name in FACTORS}
                return cleaned
        check_weights(given)
        return cleaned

    def basic_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.BASIC]

    def ranking_fields(self) -> list[forms.BoundField]:
        names = [name for name in self.fields if name not in (*self.SHOWN_ELSEWHERE, "preset")]
        names.insert(names.index(WEIGHTS[0]), "preset")
        return [self[name] for name in names]


def _preset_of(weights: Mapping[str, float]) -> str:
    return preset_of({name: weights[f"{name}_weight"] for name in FACTORS})


class RolesForm(forms.Form):
    roles = forms.MultipleChoiceField(
        label=_("Roles"), choices=Membership.Role.choices, widget=forms.CheckboxSelectMultiple
    )


class MemberForm(RolesForm):
    """A person by exact name, or a group; names are not listed to those who manage no people."""

    username = forms.CharField(
        label=_("Person"),
        required=False,
        max_length=150,
        help_text=_("The name they sign in with."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    group = forms.ModelChoiceField(
        label=_("or group"), queryset=Group.objects.order_by("name"), required=False
    )

    field_order = ("username", "group", "roles")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        username, group = cleaned.get("username"), cleaned.get("group")
        if bool(username) == bool(group):
            raise ValidationError(_("Name a person or choose a group."), code="member")
        member: User | Group | None = group
        if username:
            member = User.objects.filter(username__iexact=username, is_active=True).first()
            if member is None:
                self.add_error("username", _("Nobody signs in with this name."))
        cleaned["member"] = member
        return cleaned


class DocumentForm(forms.ModelForm[Document]):
    """What a curator says about a document. The services store it; ``save`` is not called."""

    tags = TagsField(
        label=_("Tags"), required=False, max_length=900, help_text=_("With commas between them.")
    )

    source_url = forms.URLField(
        label=_("Web address of the original"),
        required=False,
        max_length=1000,
        assume_scheme="https",
    )

    class Meta:
        model = Document
        fields = (
            "title",
            "effective_date",
            "expires_at",
            "superseded_by",
            "tags",
            "source_url",
            "licence",
            "visible_to_groups",
        )
        labels = {
            "superseded_by": _("Replaced by"),
            "licence": _("Licence"),
            "visible_to_groups": _("Only for these groups"),
        }
        help_texts = {
            "effective_date": _("When it was published or took effect. Newer counts as timelier."),
            "expires_at": _("After this day it counts as out of date."),
            "superseded_by": _("A newer document of this knowledge base that takes its place."),
        }
        widgets = {
            "effective_date": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            "expires_at": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            "visible_to_groups": forms.CheckboxSelectMultiple,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        document = self.instance
        successor = self.fields["superseded_by"]
        if isinstance(successor, forms.ModelChoiceField):
            # The page shows those that fit a search; any document of the base may be sent.
            present = (
                Document.objects.present()
                .filter(knowledge_base=document.knowledge_base_id)
                .values("pk")
            )
            successor.queryset = Document.objects.filter(
                Q(pk__in=present) | Q(pk=document.superseded_by_id)
            ).exclude(pk=document.pk)

    def changes(self) -> dict[str, Any]:
        """The checked values of the document's own columns."""
        return {
            field: value
            for field, value in self.cleaned_data.items()
            if field != "visible_to_groups"
        }

    def groups(self) -> Sequence[Group]:
        return list(self.cleaned_data["visible_to_groups"])


class ChunkForm(forms.Form):
    text = forms.CharField(
        label=_("Text"),
        max_length=MAX_CHUNK_CHARACTERS,
        strip=True,
        widget=forms.Textarea(attrs={"rows": 12}),
    )


def embedder_label(name: str) -> StrOrPromise:
    """An embedding model as people choose it."""
    if name == "none":
        return _("None: passages are found by their words only")
    if not name:
        return _("The default of this installation: %(name)s") % {"name": settings.RAGSITE_EMBEDDER}
    return name


class IndexForm(forms.Form):
    """How a knowledge base is to be indexed. ``reindexing`` checks and builds it."""

    embedder = forms.ChoiceField(
        label=_("Embedding model"),
        required=False,
        help_text=_("Finds passages by meaning. An administrator configures the choice."),
    )
    max_tokens = forms.IntegerField(
        label=_("Tokens in a passage, at most"),
        min_value=LEAST_TOKENS,
        max_value=MOST_TOKENS,
        help_text=_(
            "About three quarters as many English words, or as many Chinese characters. The model"
            " that comes with Ragsite reads 250, title and headings included: what follows is found"
            " by its words only."
        ),
    )
    overlap_tokens = forms.IntegerField(
        label=_("Tokens repeated from the passage before"),
        min_value=0,
        max_value=MOST_TOKENS // MOST_OVERLAP,
    )

    def __init__(self, data: Mapping[str, Any] | None, *, base: KnowledgeBase) -> None:
        initial = {
            "embedder": base.embedder,
            "max_tokens": base.chunk_max_tokens,
            "overlap_tokens": base.chunk_overlap_tokens,
        }
        super().__init__(data, initial=initial)
        embedder = self.fields["embedder"]
        if isinstance(embedder, forms.ChoiceField):
            embedder.choices = [(name, embedder_label(name)) for name in embedder_choices(base)]
