"""The models and the migrations say the same, and processes of before live with the tables."""

from __future__ import annotations

from io import StringIO

from django.core.management import call_command
from django.db.migrations import AddField
from django.db.migrations.loader import MigrationLoader


def test_no_migration_is_missing(db: None) -> None:
    call_command("makemigrations", check=True, dry_run=True, stdout=StringIO())


def test_what_is_added_to_documents_may_be_left_out_by_processes_of_before() -> None:
    migrations = MigrationLoader(None).disk_migrations
    added = [
        operation
        for (app, _), migration in sorted(migrations.items())
        if app == "documents" and not migration.initial
        for operation in migration.operations
        if isinstance(operation, AddField)
    ]
    assert added
    assert [
        f"{operation.model_name}.{operation.name}"
        for operation in added
        if not (operation.field.null or operation.field.has_db_default())
    ] == []
