"""The part of ``bench.badfiles`` that runs inside the product, by ``manage.py shell``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.files import File
from django.utils import translation

from accounts.models import User
from documents.deliveries import Delivery
from documents.delivering import is_archive, request_archive
from documents.delivery_problems import explain_delivery
from documents.models import Chunk, DocumentVersion, KnowledgeBase
from documents.problems import explain
from documents.uploading import UploadRefused, upload

UNKNOWN = "no such code"


def take(folder: str, base: str) -> None:
    """Upload every file below ``folder`` as a person would; prints what became of each, as JSON."""
    actor = User.objects.get(is_superuser=True)
    knowledge_base = KnowledgeBase.objects.get(slug=base)
    root = Path(folder)
    taken: dict[str, dict[str, Any]] = {}
    for path in sorted(each for each in root.rglob("*") if each.is_file()):
        with path.open("rb") as opened:
            file = File(opened, name=path.name)
            try:
                if is_archive(path.name):
                    asked = request_archive(actor=actor, knowledge_base=knowledge_base, file=file)
                    became: dict[str, Any] = {"delivery": asked.delivery.pk}
                else:
                    done = upload(actor=actor, knowledge_base=knowledge_base, file=file)
                    became = {"version": done.version.pk}
            except UploadRefused as error:
                became = {"refused": error.code}
        taken[str(path.relative_to(root))] = became
    json.dump(taken, sys.stdout)


def unfinished() -> None:
    """Prints how many versions and archives are not final."""
    versions = DocumentVersion.objects.exclude(state__in=DocumentVersion.FINAL).count()
    deliveries = Delivery.objects.filter(state__in=Delivery.UNFINISHED).count()
    json.dump(versions + deliveries, sys.stdout)


def results(taken: dict[str, dict[str, Any]]) -> None:
    """Prints how each file of ``take`` ended, as JSON."""
    with translation.override("en"):
        json.dump({name: _result(became) for name, became in taken.items()}, sys.stdout)


def _result(became: dict[str, Any]) -> dict[str, Any]:
    if "refused" in became:
        return {"state": "refused", "seconds": 0.0, "passages": 0, **_words(became["refused"])}
    if "delivery" in became:
        delivery = Delivery.objects.get(pk=became["delivery"])
        began, ended = delivery.started_at, delivery.finished_at
        return {
            "state": delivery.state,
            "seconds": (ended - began).total_seconds() if began and ended else 0.0,
            "passages": 0,
            "lost": delivery.lost_attempts,
            "inside": [
                {"outcome": file.outcome, **_words(file.code, of_delivery=True)}
                for file in delivery.files.order_by("position")
            ],
            **_words(delivery.error_code, of_delivery=True),
        }
    version = DocumentVersion.objects.get(pk=became["version"])
    passages = Chunk.objects.filter(version=version).count()
    return {
        "state": version.state,
        "seconds": sum(
            (stage.finished_at - stage.started_at).total_seconds()
            for stage in version.stages.filter(stage="parse", finished_at__isnull=False)
            if stage.finished_at
        ),
        "passages": passages,
        "is_whole": passages == version.metadata.get("passages", 0),
        "lost": version.stages.filter(error_code="lost").count(),
        **_words(version.error_code),
    }


def _words(code: str, *, of_delivery: bool = False) -> dict[str, str]:
    if not code:
        return {"code": "", "sentence": "", "remedy": ""}
    problem = explain_delivery(code) if of_delivery else explain(code)
    if problem is explain(UNKNOWN):
        return {"code": code, "sentence": "", "remedy": ""}
    return {"code": code, "sentence": str(problem.sentence), "remedy": str(problem.remedy)}
