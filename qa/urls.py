"""URLs of chat and review."""

from __future__ import annotations

from django.urls import path

from qa.views import chat, fit, models, review, stream

app_name = "qa"

urlpatterns = [
    path("", chat.home, name="home"),
    path("ask/", chat.ask, name="ask"),
    path("workers/", chat.workers, name="workers"),
    path("conversations/<int:pk>/", chat.conversation, name="conversation"),
    path("conversations/<int:pk>/ask/", chat.ask, name="ask_in"),
    path("conversations/<int:pk>/rename/", chat.rename, name="rename"),
    path("conversations/<int:pk>/delete/", chat.delete, name="delete"),
    path("conversations/<int:pk>/deleted/", chat.deleted, name="deleted"),
    path("conversations/<int:pk>/restore/", chat.restore, name="restore"),
    path("answers/<int:pk>/", chat.answer, name="answer"),
    path("answers/<int:pk>/events/", stream.answer_events, name="answer_events"),
    path("answers/<int:pk>/stop/", chat.stop, name="stop"),
    path("answers/<int:pk>/regenerate/", chat.regenerate, name="regenerate"),
    path("answers/<int:pk>/twin/", chat.twin, name="twin"),
    path("answers/<int:pk>/order/", fit.answer_order, name="answer_order"),
    path("answers/sources/<int:pk>/opened/", fit.opened, name="opened"),
    path("account/personal-order/", fit.personal_order, name="personal_order"),
    path("account/personal-order/change/", fit.change_personal_order, name="change_personal_order"),
    path("models/", models.models, name="models"),
    path("models/guide/", models.guide, name="models_guide"),
    path("models/measure/", models.measure_all, name="measure_all"),
    path("models/<int:pk>/", models.row, name="measured"),
    path("models/<int:pk>/measure/", models.measure, name="measure"),
    path("models/measurements/<int:pk>/cancel/", models.cancel, name="measure_cancel"),
    path("review/", review.answers, name="review"),
    path("review/<int:pk>/", review.detail, name="review_answer"),
    path("review/<int:pk>/judge/", review.judge_answer, name="review_judge"),
    path("review/<int:pk>/withdraw/", review.withdraw_answer, name="review_withdraw"),
    path("review/<int:pk>/keep/", review.keep, name="review_keep"),
    path("review/citations/<int:pk>/", review.judge_citation, name="review_citation"),
    path("review/sources/<int:pk>/", review.judge_source, name="review_source"),
]
