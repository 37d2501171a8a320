"""All settings, read from the environment once. ``.env.example`` documents each variable.

Without ``DATABASE_URL`` the project runs on the embedded servers below ``var/`` and has a default
for everything. With one it is an installation of its own, and what guards it must be given.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import django_stubs_ext
from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.templatetags.static import static
from django.utils.translation import gettext_lazy as _

from ragsite import env
from ragsite.embedded.layout import StateLayout
from ragsite.logging import logging_settings

# Forms and admin classes are generic to the type checker; this makes them so at run time too.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent

# ---- which installation this is ------------------------------------------------------------
STATE = StateLayout(Path(env.text("RAGSITE_STATE_DIR") or BASE_DIR / "var").resolve())
DATABASE_URL = env.secret("DATABASE_URL")
EMBEDDED = not DATABASE_URL
DEBUG = env.flag("DEBUG", default=False)

SECRET_KEY = env.secret("SECRET_KEY")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]" if EMBEDDED or DEBUG else "")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
if EMBEDDED or DEBUG:
    SECRET_KEY = SECRET_KEY or env.kept_secret(STATE.secret_key)
else:
    env.require({"SECRET_KEY": SECRET_KEY, "ALLOWED_HOSTS": ALLOWED_HOSTS})

# ---- applications --------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "django_htmx",
    "csp",
    "accounts",
    "documents",
    "qa",
    "ragsite",
]

MIDDLEWARE = [
    "ragsite.middleware.request_id",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "ragsite.middleware.admin_content_policy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "accounts.middleware.gate",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "ragsite.urls"
ASGI_APPLICATION = "ragsite.asgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "ragsite.health.answers_worker",
                "ragsite.navigation.navigation",
            ],
        },
    },
]

# ---- people and sessions -------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "accounts:sign_in"
LOGIN_REDIRECT_URL = "qa:home"
LOGOUT_REDIRECT_URL = "accounts:sign_in"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
# In Postgres, so that signing in and reading pages need no Redis.
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_AGE = 14 * 24 * 3600

# ---- Postgres and Redis --------------------------------------------------------------------
# Connections are per request under ASGI; the pool is for the web process alone, because a
# prefork worker must not inherit one.
DATABASES = {
    "default": env.database(
        DATABASE_URL or STATE.database_url, pool_size=env.number("DATABASE_POOL_SIZE", 0)
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = env.secret("REDIS_URL") or STATE.redis_url
REDIS_TIMEOUT_S = 5.0

# ---- Celery --------------------------------------------------------------------------------
CELERY_BROKER_URL = env.broker(REDIS_URL)
CELERY_BROKER_CONNECTION_RETRY = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # A task not acknowledged within this time is delivered again: longer than the longest task.
    "visibility_timeout": 3600,
    "socket_timeout": REDIS_TIMEOUT_S,
    "socket_connect_timeout": REDIS_TIMEOUT_S,
    "socket_keepalive": True,
    "health_check_interval": 30,
}
# Publishing from a page gives up soon: the row is saved, and a watchdog enqueues it again.
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 2, "interval_start": 0, "interval_max": 0.5}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_REDIRECT_STDOUTS = False
CELERY_WORKER_PROC_ALIVE_TIMEOUT = 60.0
CELERY_ENABLE_UTC = True
CELERY_TASK_DEFAULT_QUEUE = "ingest"
CELERY_TASK_ROUTES = {
    "qa.tasks.*": {"queue": "answers"},
    # A queue of its own: short work does not stand behind documents, and its length is known.
    "documents.tasks.process_next": {"queue": "documents"},
    # Somebody waits for the picture of a page: not behind documents, but among questions.
    "documents.tasks.render_page": {"queue": "answers"},
    "documents.tasks.*": {"queue": "ingest"},
    "documents.delivery_tasks.*": {"queue": "ingest"},
}
CELERY_BEAT_SCHEDULE = {
    "requeue-expired": {"task": "documents.tasks.requeue_expired", "schedule": 30.0},
    "take-up-deliveries": {
        "task": "documents.delivery_tasks.take_up_deliveries",
        "schedule": 30.0,
    },
    "fail-expired-answers": {"task": "qa.tasks.fail_expired_answers", "schedule": 30.0},
    "take-up-measurements": {"task": "qa.tasks.take_up_measurements", "schedule": 30.0},
    "take-up-probes": {"task": "qa.tasks.take_up_probes", "schedule": 60.0},
    "refresh-statistics": {"task": "documents.tasks.refresh_statistics", "schedule": 60.0},
    "delete-expired-openings": {"task": "qa.tasks.delete_expired_openings", "schedule": 3600.0},
}
for _entry in CELERY_BEAT_SCHEDULE.values():
    # A tick that waited longer than its own interval has been overtaken by the next one.
    _entry["options"] = {"expires": _entry["schedule"]}

# ---- files ---------------------------------------------------------------------------------
MEDIA_ROOT = Path(env.text("MEDIA_ROOT") or STATE.media)
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.text("STATIC_ROOT") or STATE.static)
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
RAGSITE_MAX_UPLOAD_MB = env.number("RAGSITE_MAX_UPLOAD_MB", 50, minimum=1)
RAGSITE_MAX_ARCHIVE_MB = env.number("RAGSITE_MAX_ARCHIVE_MB", 500, minimum=1)
RAGSITE_WEB_PAGES = env.flag("RAGSITE_WEB_PAGES", default=True)
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
FILE_UPLOAD_PERMISSIONS = 0o600
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FILES = 50

# ---- models --------------------------------------------------------------------------------
RAGSITE_EMBEDDER = env.text("RAGSITE_EMBEDDER", "minilm")
RAGSITE_EMBEDDERS = env.words("RAGSITE_EMBEDDERS")
RAGSITE_KEEP_INDEX_DAYS = env.number("RAGSITE_KEEP_INDEX_DAYS", 7)
RAGSITE_RERANKER = env.text("RAGSITE_RERANKER", "bundled")
RAGSITE_KEY_FOLDER = env.text("RAGSITE_KEY_FOLDER", "/run/secrets")
RAGSITE_CHAT_BASE_URL = env.text("RAGSITE_CHAT_BASE_URL")
RAGSITE_CHAT_MODEL = env.text("RAGSITE_CHAT_MODEL")
RAGSITE_CHAT_API_KEY = env.secret("RAGSITE_CHAT_API_KEY")
RAGSITE_CHAT_FAKE = env.flag("RAGSITE_CHAT_FAKE", default=False)

# ---- language and time ---------------------------------------------------------------------
LANGUAGE_CODE = env.text("LANGUAGE_CODE", "en")
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = env.text("TIME_ZONE", "UTC")
USE_I18N = True
USE_TZ = True

# ---- security ------------------------------------------------------------------------------
HTTPS = env.flag("HTTPS", default=not (EMBEDDED or DEBUG))
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
if env.flag("TRUST_PROXY_HEADERS", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

_STRICT_POLICY: dict[str, Any] = {
    "default-src": [SELF],
    "object-src": [NONE],
    "base-uri": [NONE],
    "frame-ancestors": [NONE],
    "form-action": [SELF],
}
CONTENT_SECURITY_POLICY = {"DIRECTIVES": _STRICT_POLICY}
# The admin's theme evaluates expressions in attributes and sets styles inline. It renders no
# uploaded or generated text as HTML.
ADMIN_CONTENT_POLICY: dict[str, Any] = {
    **_STRICT_POLICY,
    "script-src": [SELF, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
    "img-src": [SELF, "data:"],
}

# ---- the admin's theme ---------------------------------------------------------------------
UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Ragsite",
    "SITE_HEADER": "Ragsite",
    "SITE_URL": "/",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    # The green of the other pages; white on 600 has a contrast of 6 to 1.
    "COLORS": {
        "primary": {
            "50": "oklch(97.5% .013 182)",
            "100": "oklch(94.5% .03 182)",
            "200": "oklch(89% .055 182)",
            "300": "oklch(82% .08 182)",
            "400": "oklch(74% .095 182)",
            "500": "oklch(58% .09 182)",
            "600": "oklch(47.5% .08 182)",
            "700": "oklch(41% .07 182)",
            "800": "oklch(35% .06 182)",
            "900": "oklch(30% .05 182)",
            "950": "oklch(22% .04 182)",
        }
    },
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _request: static("img/icon.svg")}
    ],
}

# ---- logging -------------------------------------------------------------------------------
LOGGING = logging_settings(
    level=env.text("LOG_LEVEL", "INFO").upper(), as_json=env.flag("LOG_JSON", default=not EMBEDDED)
)
