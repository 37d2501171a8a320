"""What becomes of a version whose processing did not go through.

The file's own fault fails it; what is away for a time leaves it waiting, with the reason; a reader
that was killed from outside is a loss, as of the whole worker; a defect of ours is stored, and
raised.
"""

from __future__ import annotations

import errno
import logging
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError, connection
from psycopg.errors import DiskFull

from documents import claims
from documents.claims import ClaimLost
from documents.parsing.base import ParseError
from inference.errors import InvalidModelResponse, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from documents.claims import Claim

T = TypeVar("T")

logger = logging.getLogger(__name__)

KILLED = "killed"
"""Of ``ParseError``: the program that read the file was killed from outside."""
DATABASE_PATIENCE_S = 60.0
"""A database that restarts is waited for so long, to say that the version waits again."""


def settled(held: Claim, work: Callable[[], T]) -> T | None:
    """What ``work`` gives, or None when it ended early: then the version says why.

    Raises what is a defect of ours, and what the database says when it stays away.
    """
    try:
        return work()
    except ClaimLost:
        logger.info("document.claim.lost", extra={"version_id": held.version_id})
    except ParseError as error:
        _refuse(held, error)
    except InvalidModelResponse as error:
        _fail(held, error.reason, str(error))
    except ModelError as error:
        _postpone(held, error.reason, str(error))
    except (OperationalError, InterfaceError) as error:
        outlast(error, partial(_postpone, held))
    except SoftTimeLimitExceeded:
        _fail(held, "timeout", "the whole of its processing")
    except OSError as error:
        if not is_disk_full(error):
            _fail(held, "internal", type(error).__name__)
            raise
        _postpone(held, "disk_full")
    except Exception as error:
        _fail(held, "internal", type(error).__name__)
        raise
    return None


def is_disk_full(error: OSError) -> bool:
    return error.errno in {errno.ENOSPC, errno.EDQUOT}


def _refuse(held: Claim, error: ParseError) -> None:
    if error.code != KILLED:
        _fail(held, error.code, error.detail)
        return
    with suppress(ClaimLost):
        claims.lose(held)
        logger.warning("document.reader.killed", extra={"version_id": held.version_id})


def _fail(held: Claim, code: str, detail: str) -> None:
    with suppress(ClaimLost):
        claims.fail(held, code, detail)
        logger.warning("document.failed", extra={"version_id": held.version_id, "error_code": code})


def _postpone(held: Claim, code: str, detail: str = "") -> None:
    """Let it wait for another try."""
    with suppress(ClaimLost):
        claims.postpone(held, code, detail)
        logger.warning("document.postponed", extra={"version_id": held.version_id, "reason": code})


def outlast(error: Exception, postpone: Callable[[str], None]) -> None:
    """The database failed with ``error``: call ``postpone`` with the reason when it is back.

    Raises what the database says when it stays away.
    """
    code = "disk_full" if isinstance(error.__cause__, DiskFull) else "database_unavailable"
    give_up_at = time.monotonic() + DATABASE_PATIENCE_S
    while True:
        if not connection.in_atomic_block:  # a caller's transaction is not ours to end
            connection.close_if_unusable_or_obsolete()
        try:
            return postpone(code)
        except (OperationalError, InterfaceError):
            if time.monotonic() > give_up_at:
                raise
            time.sleep(1)
