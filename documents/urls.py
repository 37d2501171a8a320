"""URLs of knowledge bases, documents, passages and sources."""

from __future__ import annotations

from django.urls import path

from documents.views import (
    bases,
    deliveries,
    details,
    documents,
    edits,
    indexes,
    passages,
    processing,
    sources,
    trash,
    versions,
)

app_name = "documents"

urlpatterns = [
    path("knowledge-bases/", bases.bases, name="bases"),
    path("knowledge-bases/new/", bases.create, name="base_create"),
    # ``str``, not ``slug``: addresses are made from names in any script.
    path("knowledge-bases/<str:slug>/", documents.base, name="base"),
    path("knowledge-bases/<str:slug>/edit/", bases.edit, name="base_edit"),
    path("knowledge-bases/<str:slug>/delete/", bases.delete, name="base_delete"),
    path("knowledge-bases/<str:slug>/restore/", bases.restore, name="base_restore"),
    path("knowledge-bases/<str:slug>/members/", bases.members, name="members"),
    path("knowledge-bases/<str:slug>/members/<int:pk>/", bases.member, name="member"),
    path("knowledge-bases/<str:slug>/upload/", documents.upload, name="upload"),
    path("knowledge-bases/<str:slug>/retry/", documents.retry, name="retry"),
    path("knowledge-bases/<str:slug>/pause/", processing.pause, name="pause"),
    path("knowledge-bases/<str:slug>/cancel/", processing.cancel_all, name="cancel_all"),
    path("knowledge-bases/<str:slug>/fetch/", deliveries.fetch_page, name="fetch_page"),
    path("deliveries/<int:pk>/", deliveries.delivery, name="delivery"),
    path("deliveries/<int:pk>/row/", deliveries.row, name="delivery_row"),
    path("deliveries/<int:pk>/cancel/", deliveries.cancel, name="delivery_cancel"),
    path("deliveries/<int:pk>/retry/", deliveries.retry, name="delivery_retry"),
    path("documents/<int:pk>/fetch/", deliveries.fetch_again, name="document_fetch"),
    path("knowledge-bases/<str:slug>/index/", indexes.index, name="index"),
    path("knowledge-bases/<str:slug>/index/state/", indexes.state, name="index_state"),
    path("knowledge-bases/<str:slug>/index/back/", indexes.go_back, name="index_back"),
    path("knowledge-bases/<str:slug>/index/cancel/", indexes.cancel, name="index_cancel"),
    path("knowledge-bases/<str:slug>/edits/", edits.edits, name="edits"),
    path("knowledge-bases/<str:slug>/edits/<int:pk>/", edits.decide, name="edit_decide"),
    path("documents/<int:pk>/", documents.document, name="document"),
    path("documents/<int:pk>/row/", documents.row, name="document_row"),
    path("documents/<int:pk>/state/", documents.state, name="document_state"),
    path("documents/<int:pk>/reprocess/", documents.reprocess, name="document_reprocess"),
    path("documents/<int:pk>/cancel/", documents.cancel, name="document_cancel"),
    path("documents/<int:pk>/enabled/", documents.enabled, name="document_enabled"),
    path("documents/<int:pk>/delete/", documents.delete, name="document_delete"),
    path("documents/<int:pk>/restore/", documents.restore, name="document_restore"),
    path("documents/<int:pk>/successors/", details.successors, name="document_successors"),
    path("documents/<int:pk>/undo/", details.undo, name="document_undo"),
    path("documents/<int:pk>/purge/", trash.purge, name="document_purge"),
    path("documents/<int:pk>/versions/", versions.versions, name="document_versions"),
    path("documents/<int:pk>/source/", sources.source, name="source"),
    path("documents/<int:pk>/original/", sources.original, name="original"),
    path("versions/<int:pk>/pages/<int:number>/", sources.printed, name="printed_page"),
    path("versions/<int:pk>/pages/<int:number>/picture/", sources.picture, name="page_picture"),
    path("passages/<int:pk>/", passages.passage, name="passage"),
    path("passages/<int:pk>/edit/", passages.edit, name="passage_edit"),
    path("passages/<int:pk>/enabled/", passages.enabled, name="passage_enabled"),
]
