"""How probable it is that a passage answers: from the scores at hand, by logistic calibrations.

Two answers. ``relevance`` makes the order, and may read the place among the recalled; ``evidence``
is what the floor judges, and never does. Both come as ``(value, inputs)``; ``inputs`` is ready for
JSON and enough to compute the value again by hand.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from inference.ports import Calibration
from qa.fusion import place_share

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from inference.ports import RerankerCard, Signal

Inputs = dict[str, object]
Scored = tuple[float, Inputs]

FIRST_STAGE_CALIBRATIONS: tuple[Calibration, ...] = (
    Calibration(weights={"cosine": 6.0, "lexical": 6.0}, bias=-4.7),
    Calibration(weights={"cosine": 7.5}, bias=-3.9),
    Calibration(weights={"lexical": 10.0}, bias=-3.3),
)
"""Relevance without a cross-encoder, for the default embedder and the BM25 share.

Near the logistic fits of single test sets (the first ten passages by BM25 of each question: slope
of the cosine 5 to 8 on three English sets, of the share 9 to 23 on English and 20 to 32 on Chinese
ones), but milder. The right bias differs from set to set, and a floor that is too strict hides an
answer that is there, so all but the weakest twentieth of what answers passes the floor of 0.15.
"""

PRIOR_SHIFT = 2.0
"""Added to the logit of a reranker's own calibration. Those are fitted on lists in which one
passage in thirty is labelled as the answer, though others answer too; where people have graded
whole lists it is rather one in five. ``ln((1/4) / (1/29))`` is the difference in log-odds, 2.0."""


def relevance(
    card: RerankerCard | None,
    *,
    rerank: float | None,
    cosine: float | None,
    lexical: float | None,
    fused_rank: int | None = None,
    language: str = "",
) -> Scored:
    """Probability that the passage answers the question, from the signals at hand.

    Scores that are probabilities already are taken as they are. Else a calibration of the card
    whose signals are all at hand decides: one fitted on questions in ``language`` (ISO 639-1 code,
    empty when unknown) before one for any language, then the one that reads most signals; when
    there is a cross-encoder's score, only one that reads it. One fitted on another language is
    never used. A score of an uncalibrated cross-encoder goes through the plain logistic function,
    as sentence-transformers does, unless it is in [0, 1] by itself (``uncalibrated_unit``); without
    one, ``FIRST_STAGE_CALIBRATIONS``. Nothing at hand at all gives 0: a place among the recalled
    (``fused_rank``, from 1) says nothing by itself.
    """
    signals: dict[Signal, float] = {}
    if rerank is not None:
        signals["rerank"] = rerank
    if cosine is not None:
        signals["cosine"] = cosine
    if lexical is not None:
        signals["lexical"] = lexical
    if not signals:
        return 0.0, {"method": "no_signal", "signals": {}}
    if fused_rank is not None:
        signals["fused"] = place_share(fused_rank)
    if rerank is not None and card is not None and card.scores_are_probabilities:
        return clamp(rerank), {"method": "probability", "signals": {"rerank": rerank}}
    own = _usable(card.calibrations if card is not None else (), signals, language)
    if own is not None:
        shift = PRIOR_SHIFT if rerank is not None else 0.0
        return _calibrated(own, signals, "calibrated", prior_shift=shift)
    if rerank is not None and card is not None and card.unit_scores:
        return clamp(rerank), {"method": "uncalibrated_unit", "signals": {"rerank": rerank}}
    if rerank is not None:
        return _calibrated(Calibration({"rerank": 1.0}, 0.0), signals, "uncalibrated")
    fallback = _usable(FIRST_STAGE_CALIBRATIONS, signals, language)
    if fallback is None:
        message = "FIRST_STAGE_CALIBRATIONS must cover every first-stage signal"
        raise LookupError(message)
    return _calibrated(fallback, signals, "first_stage")


def evidence(
    card: RerankerCard | None,
    *,
    rerank: float | None,
    cosine: float | None,
    lexical: float | None,
    language: str = "",
) -> Scored:
    """``relevance`` by what the passage itself says, without its place among the recalled.

    The place tells which of the candidates answers, if one does; whether one does it cannot tell,
    for there is a first place also where nothing answers. So passages are ordered by ``relevance``
    and admitted by this.
    """
    return relevance(card, rerank=rerank, cosine=cosine, lexical=lexical, language=language)


def _usable(
    calibrations: Sequence[Calibration], signals: Mapping[Signal, float], language: str
) -> Calibration | None:
    """Of the question's own language if there is one, then by most signals; the first of equals."""
    usable = [
        calibration
        for calibration in calibrations
        if calibration.weights
        and calibration.weights.keys() <= signals.keys()
        and ("rerank" in calibration.weights or "rerank" not in signals)
        and calibration.language in ("", language)
    ]
    return max(usable, key=lambda each: (bool(each.language), len(each.weights)), default=None)


def _calibrated(
    calibration: Calibration,
    signals: Mapping[Signal, float],
    method: str,
    *,
    prior_shift: float = 0.0,
) -> Scored:
    weighed = (weight * signals[signal] for signal, weight in calibration.weights.items())
    logit = calibration.bias + prior_shift + sum(weighed)
    inputs: Inputs = {
        "method": method,
        "signals": dict(signals),
        "weights": dict(calibration.weights),
        "bias": calibration.bias,
        "language": calibration.language,
        "prior_shift": prior_shift,
        "logit": logit,
    }
    return _sigmoid(logit), inputs


def _sigmoid(x: float) -> float:
    # Two forms, so that exp never overflows.
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    return math.exp(x) / (1.0 + math.exp(x))


def clamp(value: float) -> float:
    """The nearest value in [0, 1]."""
    return min(1.0, max(0.0, value))
