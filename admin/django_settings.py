"""Django's settings, made of ours; what a variable means stands in docs/operations.md."""

from __future__ import annotations

from urllib.parse import urlsplit

from admin.databases import BILLING, OWN, billing_tables, own_tables
from settings import load_panel

GIVEN = load_panel()
_OWN_URL = str(GIVEN.database_url)
_ADDRESS = urlsplit(GIVEN.panel_url)
_TLS = GIVEN.production or _ADDRESS.scheme == "https"

DEBUG = False
SECRET_KEY = str(GIVEN.admin_secret_key)
ROOT_URLCONF = "admin.addresses"
ALLOWED_HOSTS = [_ADDRESS.hostname or ""] if GIVEN.production else ["*"]
CSRF_TRUSTED_ORIGINS = [f"{_ADDRESS.scheme}://{_ADDRESS.netloc}"]
"""TLS ends at the proxy, so the browser's address is not the one that the request shows."""

INSTALLED_APPS = [
    "admin.apps.BillingConfig",
    "admin.apps.SiteConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "admin.middleware.content_security",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "admin.middleware.local_time",
    "admin.middleware.plain_trouble",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": ["admin.said"],
        },
    }
]

DATABASES = {OWN: own_tables(_OWN_URL), BILLING: billing_tables(GIVEN.admin_reads_url or _OWN_URL)}
DATABASE_ROUTERS = ["admin.databases.ByTable"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "ru"
LANGUAGES = [("ru", "Русский"), ("en", "English")]
USE_TZ = True
TIME_ZONE = "Europe/Moscow"

STATIC_URL = "/static/"
LOGIN_URL = "admin:login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

SESSION_COOKIE_NAME = "billing_admin"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = _TLS
CSRF_COOKIE_NAME = "billing_admin_csrf"
CSRF_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_NAME = "billing_admin_language"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

LOGGING_CONFIG = None  # logs are the whole service's, see infrastructure/observability
