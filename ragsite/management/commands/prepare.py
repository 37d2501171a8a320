"""``manage.py prepare``: everything an installation needs done before it serves."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from ragsite import catalogue


class Command(BaseCommand):
    # Checks look at every page; what they find is no reason not to migrate.
    requires_system_checks: tuple[str, ...] = ()
    help = "Apply migrations, collect static files, compile translations. Safe to run again."

    def handle(self, *args: Any, **options: Any) -> None:
        del args, options
        call_command("migrate", interactive=False, verbosity=1)
        if not settings.DEBUG:
            call_command("collectstatic", interactive=False, verbosity=0)
        catalogue.main(["compile"])
