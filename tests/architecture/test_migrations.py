"""The models and the migrations say the same."""

from __future__ import annotations

from io import StringIO

from django.core.management import call_command


def test_no_migration_is_missing(db: None) -> None:
    call_command("makemigrations", check=True, dry_run=True, stdout=StringIO())
