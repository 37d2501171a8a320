"""What becomes of a delivery whose work did not go through; ``setbacks`` says it of versions."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError

from documents.fetching import FetchRefused
from documents.jobs import ClaimLost
from documents.parsing.base import ParseError
from documents.setbacks import is_disk_full
from documents.uploading import UploadRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from documents.delivery_claims import Claim

logger = logging.getLogger(__name__)


def settle(held: Claim, work: Callable[[], None]) -> None:
    """Do ``work``; where it ends early, the row says why.

    Raises what is a defect of ours, and what the database says when it fails: then the row is
    silent until the database is back, is given up, and waits again.
    """
    try:
        work()
    except ClaimLost:
        logger.info("delivery.claim.lost", extra={"delivery_id": held.job_id})
    except (FetchRefused, ParseError, UploadRefused) as error:
        _fail(held, error.code, str(error))
    except (OperationalError, InterfaceError):
        raise
    except SoftTimeLimitExceeded:
        _fail(held, "timeout", "the whole of it")
    except Exception as error:
        if isinstance(error, OSError) and is_disk_full(error):
            _fail(held, "disk_full")
            return
        _fail(held, "internal", type(error).__name__)
        raise


def _fail(held: Claim, code: str, detail: str = "") -> None:
    with suppress(ClaimLost):  # cancelled, which is what "cancelled" says too
        held.fail(code, detail)
        logger.warning("delivery.failed", extra={"delivery_id": held.job_id, "error_code": code})
