"""The answer as it is made, over server-sent events: this view reads and relays, no more.

A reload starts from the beginning of the stream, a lost connection from the last event it saw
(``Last-Event-ID``). If the stream is quiet or gone, the row in Postgres decides.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_required
from django.db import close_old_connections
from django.http import StreamingHttpResponse
from django.template.loader import render_to_string
from django.utils.html import escape
from django.utils.translation import get_language, override
from django.views.decorators.http import require_GET

from qa import chat, streams
from qa.events import Ranked, Stage, Token
from qa.models import Answer
from qa.presentation import may_follow_stream, present_answer
from qa.sse import HEARTBEAT, format_event
from qa.views.links import source_href

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from accounts.http import AuthenticatedRequest
    from qa.events import Event

RETRY_MS = 1000
ASK_AGAIN_S = 2.0
_STREAM_ID = re.compile(r"\d{1,20}-\d{1,20}")


@login_required
@require_GET
async def answer_events(request: AuthenticatedRequest, pk: int) -> StreamingHttpResponse:
    """Relay one answer's events to its asker; ``done`` carries the finished answer's HTML."""
    relay = await sync_to_async(_Relay)(request, pk)
    last_seen = request.headers.get("Last-Event-ID", "")
    after = last_seen if _STREAM_ID.fullmatch(last_seen) else "0"
    response = StreamingHttpResponse(relay.run(after), content_type="text/event-stream")
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    return response


class _Relay:
    """One reader's view of one answer's stream. Raises ``Http404`` for anyone but its asker."""

    def __init__(self, request: AuthenticatedRequest, pk: int) -> None:
        self.request = request
        self.answer = chat.own_answer_for(request.user, pk)
        self.language = get_language()
        self._may_follow = False
        self._asked_at = float("-inf")

    async def run(self, after: str) -> AsyncIterator[str]:
        """Yield events until the answer is final. Ends early only if the stream cannot be read."""
        yield format_event("hello", "", retry=RETRY_MS)
        async for item in streams.read(self.answer.pk, after):
            if item is None:
                if await sync_to_async(self._is_final)():
                    break
                yield HEARTBEAT
                continue
            event_id, event = item
            if not isinstance(event, Token | Stage | Ranked):
                break
            data = await sync_to_async(self._data_of)(event)
            if data:
                yield format_event(event.kind, data, id=event_id)
        if await sync_to_async(self._is_final)():
            yield format_event("done", await sync_to_async(self._finished)())

    def _data_of(self, event: Event) -> str:
        if isinstance(event, Token):
            return escape(event.text) if self._follows() else ""
        if isinstance(event, Stage):
            return self._render("qa/_stage.html", {"stage": event.name})
        return self._render_answer("qa/_sources.html")

    def _follows(self) -> bool:
        # Not for every token: rights taken away in mid-answer end the stream a little later.
        now = time.monotonic()
        if now - self._asked_at >= ASK_AGAIN_S:
            self._may_follow = may_follow_stream(self.request.user, self.answer)
            self._asked_at = now
            close_old_connections()
        return self._may_follow

    def _is_final(self) -> bool:
        final = Answer.objects.filter(pk=self.answer.pk, state__in=Answer.FINAL).exists()
        close_old_connections()
        return final

    def _finished(self) -> str:
        # Asked for again: access may have been taken away while the answer was being made.
        self.answer = chat.own_answer_for(self.request.user, self.answer.pk)
        return self._render_answer("qa/_answer.html")

    def _render_answer(self, template: str) -> str:
        view = present_answer(
            self.request.user, self.answer, source_href=source_href, personal=True
        )
        close_old_connections()
        return self._render(template, {"answer": view})

    def _render(self, template: str, context: dict[str, object]) -> str:
        with override(self.language):
            return render_to_string(template, context, request=self.request)
