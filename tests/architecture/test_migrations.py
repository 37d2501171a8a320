"""The models and the migrations say the same, and processes of before live with the tables."""

from __future__ import annotations

from io import StringIO

from django.core.management import call_command
from django.db.migrations import AddField
from django.db.migrations.loader import MigrationLoader


def test_no_migration_is_missing(db: None) -> None:
    call_command("makemigrations", check=True, dry_run=True, stdout=StringIO())


NOT_BY_PROCESSES_OF_BEFORE = {
    # The place without personal fit is no constant that the database could fill in: whoever
    # updates stops the worker for answers before the migration, not after it.
    "rankedpassage",
}


def test_what_is_added_to_a_table_may_be_left_out_by_processes_of_before() -> None:
    loader = MigrationLoader(None)
    tables = loader.project_state(loader.graph.leaf_nodes()).models
    added = [
        (app, operation.model_name_lower, operation.name)
        for (app, _), migration in sorted(loader.disk_migrations.items())
        if app in {"accounts", "documents", "qa"} and not migration.initial
        for operation in migration.operations
        if isinstance(operation, AddField)
    ]
    assert {app for app, _, _ in added} == {"documents", "qa"}
    fields = {
        f"{model}.{name}": tables[app, model].get_field(name)
        for app, model, name in added
        if model not in NOT_BY_PROCESSES_OF_BEFORE and name in tables[app, model].fields
    }
    assert [
        name for name, field in fields.items() if not (field.null or field.has_db_default())
    ] == []
