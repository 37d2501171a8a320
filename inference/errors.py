"""What can go wrong at a model, by name. Adapters translate every vendor error into these."""

from __future__ import annotations


class ModelError(Exception):
    """Base of all model failures; ``reason`` is a stable word that is stored and shown."""

    reason = "model_error"


class ModelUnavailable(ModelError):
    """The model cannot be reached or loaded now; trying again later may help."""

    reason = "model_unavailable"


class ModelTimeout(ModelError):
    """The model did not finish within the time limit it was given."""

    reason = "model_timeout"


class InvalidModelResponse(ModelError):
    """The model answered, but not with what the port promises (count, shape, finiteness)."""

    reason = "invalid_model_response"
