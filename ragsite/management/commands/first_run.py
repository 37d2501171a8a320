"""``manage.py first_run``: print the one-time token with which the first administrator is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand
from django.urls import reverse

from accounts.setup import SetupRefused, issue_token

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Print the address and the one-time token for the first administrator, if none exists."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--address", default="", help="where the pages are, without a slash")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        try:
            token = issue_token()
        except SetupRefused:
            return
        page = f"{options['address'].rstrip('/')}{reverse('accounts:setup')}"
        self.stdout.write(f"Create the first administrator at {page} with this one-time token:")
        self.stdout.write(f"  {token}")
