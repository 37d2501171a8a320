"""Settings of the test run: own servers below a folder of its own, small fast fakes for models."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

# Workers of a parallel run inherit the controller's environment, and so share its servers.
RUN_FOLDER = Path(os.environ.get("RAGSITE_TEST_RUN") or tempfile.mkdtemp(prefix="ragsite-tests-"))
os.environ["RAGSITE_TEST_RUN"] = str(RUN_FOLDER)
for name in (
    "DATABASE_URL",
    "REDIS_URL",
    "DEBUG",
    "RAGSITE_CHAT_FAKE",
    "RAGSITE_CHAT_BASE_URL",
    "ALLOWED_HOSTS",
):
    os.environ.pop(name, None)
os.environ.update(
    {
        "RAGSITE_STATE_DIR": str(RUN_FOLDER),
        "RAGSITE_EMBEDDER": "fake",
        "RAGSITE_RERANKER": "fake",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        # Playwright's event loop runs in the thread that also uses the ORM.
        "DJANGO_ALLOW_ASYNC_UNSAFE": "true",
    }
)

from ragsite import env  # noqa: E402
from ragsite.settings import *  # noqa: E402, F403
from ragsite.settings import ALLOWED_HOSTS, REDIS_URL, STORAGES  # noqa: E402

# One Redis database per worker of a parallel run: what one flushes, no other had written.
WORKER_NUMBER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
REDIS_URL = f"{REDIS_URL}?db={WORKER_NUMBER}"
CELERY_BROKER_URL = env.broker(REDIS_URL)

ALLOWED_HOSTS = [*ALLOWED_HOSTS, "testserver"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
MEDIA_ROOT = RUN_FOLDER / "media"
STORAGES = {
    **STORAGES,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_AUTOREFRESH = True
LOGGING_CONFIG = None
