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


class ModelBusy(ModelError):
    """Too many requests wait for the model already; this one was not begun."""

    reason = "model_busy"


class InvalidModelResponse(ModelError):
    """The model answered, but not with what the port promises (count, shape, finiteness)."""

    reason = "invalid_model_response"


class ModelRateLimited(ModelUnavailable):
    """The server has had too many requests, and the wait that it asks for is too long."""

    reason = "model_rate_limited"


class ModelRefused(ModelError):
    """The server refused the request itself; sending it again would not help."""

    reason = "model_refused"


class ModelKeyRefused(ModelRefused):
    """The server did not accept the key, or asks for one."""

    reason = "model_key_refused"


class ModelKeyMissing(ModelError):
    """A key is configured by name, and there is nothing usable under that name."""

    reason = "model_key_missing"
