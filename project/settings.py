"""The one settings file. Everything that differs between deployments comes from the environment, see .env.example."""

import os
from urllib.parse import urlsplit

from corsheaders.defaults import default_headers
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from project import env, localdb
from users.rates import parse as parse_rates
from users.webhooks import EventType

BASE_DIR = env.ROOT

# --- What kind of deployment this is -------------------------------------------------------------------------------

DEMO = env.flag("DEMO")
SMS_URL = env.text("SMS_URL")
if DEMO and SMS_URL:
    env.refuse("DEMO=1 and SMS_URL are both set: choose the simulated SMS gateway or a real one")
if not DEMO and not SMS_URL:
    env.refuse("neither DEMO=1 nor SMS_URL is set: choose the simulated SMS gateway or a real one")

# What it is called, and under which address it is found; without one, under that of each request.
SITE_NAME = env.line("SITE_NAME", "Zovi", most=40)
SITE_URL = env.origin("SITE_URL")
if SITE_URL.startswith("http://") and not DEMO and not env.is_loopback(urlsplit(SITE_URL).hostname or ""):
    env.refuse("SITE_URL must be https outside a demo: people sign in where its links lead")
BRAND = env.brand("BRAND_DIR")
APP_LINKS_IOS = env.ios_apps("APP_LINKS_IOS")
APP_LINKS_ANDROID = env.android_apps("APP_LINKS_ANDROID")

SECRET_KEY = env.secret("SECRET_KEY", DEMO)
JWT_SECRET_KEY = env.secret("JWT_SECRET_KEY", DEMO)
OTP_PEPPER = env.secret("OTP_PEPPER", DEMO)
if len({SECRET_KEY, JWT_SECRET_KEY, OTP_PEPPER}) < 3:
    env.refuse("SECRET_KEY, JWT_SECRET_KEY and OTP_PEPPER must be three different secrets")

SECRET_KEY_FALLBACKS = env.more_secrets("SECRET_KEY_FALLBACKS", DEMO)
if {JWT_SECRET_KEY, OTP_PEPPER} & set(SECRET_KEY_FALLBACKS):
    env.refuse("SECRET_KEY_FALLBACKS must hold no secret that is for something else")
# A key that was replaced still opens what it signed: put the old one here until the tokens it signed are gone.
# Add the new secret here first, ten minutes later swap the two: by then every verifier has its public key.
JWT_SECRET_KEY_FALLBACKS = env.more_secrets("JWT_SECRET_KEY_FALLBACKS", DEMO)
if {SECRET_KEY, OTP_PEPPER} & set(JWT_SECRET_KEY_FALLBACKS):
    env.refuse("JWT_SECRET_KEY_FALLBACKS must hold no secret that is for something else")
# Codes are keyed by the newest pepper. Phones by the oldest: else a new one would forget who has left, and every limit.
OTP_PEPPER_FALLBACKS = env.more_secrets("OTP_PEPPER_FALLBACKS", DEMO)
PHONE_KEY_PEPPER = [OTP_PEPPER, *OTP_PEPPER_FALLBACKS][-1]
if {SECRET_KEY, JWT_SECRET_KEY} & set(OTP_PEPPER_FALLBACKS):
    env.refuse("OTP_PEPPER_FALLBACKS must hold no secret that is for something else")
JWT_ISSUER = env.text("JWT_ISSUER", SITE_URL or "zovi")
JWT_AUDIENCE = env.text("JWT_AUDIENCE", "zovi")

HOST = env.text("HOST", "127.0.0.1").strip("[]")
PORT = env.number("PORT", 8000, least=1, most=65535)
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", env.names_of("localhost", "127.0.0.1", "::1", HOST))
CORS_ALLOWED_ORIGINS = env.origins("CORS_ALLOWED_ORIGINS")
CSRF_TRUSTED_ORIGINS = env.origins("CSRF_TRUSTED_ORIGINS")
if not DEMO:
    for _name in ("ALLOWED_HOSTS", "CORS_ALLOWED_ORIGINS", "CSRF_TRUSTED_ORIGINS"):
        if any("*" in _value for _value in globals()[_name]):
            env.refuse(f"{_name} must not hold * outside demo")
CORS_ALLOW_ALL_ORIGINS = "*" in CORS_ALLOWED_ORIGINS
CORS_ALLOWED_ORIGINS = [_origin for _origin in CORS_ALLOWED_ORIGINS if _origin != "*"]
CORS_URLS_REGEX = r"^/(api|graphql)/"
CORS_EXPOSE_HEADERS = ["Retry-After"]
_TRACING = ("traceparent", "tracestate", "baggage", "sentry-trace")  # which apps send without being asked
CORS_ALLOW_HEADERS = sorted({*default_headers, *_TRACING, *env.header_names("CORS_ALLOW_HEADERS")})

_IS_LOOPBACK_ONLY = all(env.is_loopback(_host) for _host in [HOST, *ALLOWED_HOSTS])
DEBUG = env.flag("DEBUG")
if DEBUG and not _IS_LOOPBACK_ONLY:
    env.refuse("DEBUG=1 is for loopback hosts only: it shows source code and settings to every visitor")

TRUSTED_PROXY_COUNT = env.number("TRUSTED_PROXY_COUNT", 0, most=10)
WEB_CONCURRENCY = env.number("WEB_CONCURRENCY", os.cpu_count() or 1, least=1, most=256)
LOG_LEVEL = env.one_of("LOG_LEVEL", "INFO", {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})

# --- One's own backend ----------------------------------------------------------------------------------------------

SERVICE_KEYS = env.service_keys("SERVICE_KEYS")
WEBHOOK_URLS = env.endpoints("WEBHOOK_URLS")
WEBHOOK_SECRETS = [env.signing_secret("WEBHOOK_SECRET"), env.signing_secret("WEBHOOK_SECRET_FALLBACK")]
WEBHOOK_SECRETS = [_secret for _secret in WEBHOOK_SECRETS if _secret]
WEBHOOK_TYPES = env.choices("WEBHOOK_TYPES", list(EventType))
if WEBHOOK_URLS and not WEBHOOK_SECRETS:
    env.refuse("WEBHOOK_URLS is set and WEBHOOK_SECRET is missing")
EVENTS_ARE_RECORDED = bool(SERVICE_KEYS or WEBHOOK_URLS)

# --- What those who run it see ---------------------------------------------------------------------------------------

METRICS_TOKEN = env.token("METRICS_TOKEN", least=20)

# --- Limits --------------------------------------------------------------------------------------------------------

OTP_DIGITS = env.number("OTP_DIGITS", 4, least=4, most=8)
OTP_TTL = env.number("OTP_TTL", 180, least=1)
OTP_TRIES = env.number("OTP_TRIES", 3, least=1, most=100)
OTP_RESEND_COOLDOWN = env.number("OTP_RESEND_COOLDOWN", 5 if DEMO else 60)
OTP_SENDS_PER_PHONE = env.rates("OTP_SENDS_PER_PHONE", "100/h" if DEMO else "5/h,10/d")
OTP_SENDS_PER_IP = env.rates("OTP_SENDS_PER_IP", "1000/h" if DEMO else "30/h,100/d")
OTP_SENDS_PER_NETWORK = env.rates("OTP_SENDS_PER_NETWORK", "off" if DEMO else "120/h,400/d")
OTP_SENDS_GLOBAL = env.rates("OTP_SENDS_GLOBAL", "off" if DEMO else "60/m,10000/d")
OTP_FAILURES_PER_PHONE = env.rates("OTP_FAILURES_PER_PHONE", "10/d,20/365d")
OTP_FAILURES_PER_PHONE_LONG = env.rates("OTP_FAILURES_PER_PHONE_LONG", "100/30d,500/365d")
OTP_FAILURES_PER_IP = env.rates("OTP_FAILURES_PER_IP", "off" if DEMO else "20/h")
OTP_FAILURES_GLOBAL = env.rates("OTP_FAILURES_GLOBAL", "off" if DEMO else "300/10m,2000/d")
SMS_RETRY_PAUSE = 2  # seconds before a gateway that refused is asked for the same phone again
INVITE_FAILURES_PER_USER = env.rates("INVITE_FAILURES_PER_USER", "10/h,30/d")
INVITE_FAILURES_PER_IP = env.rates("INVITE_FAILURES_PER_IP", "60/h")
ADMIN_FAILURES_PER_IP = env.rates("ADMIN_FAILURES_PER_IP", "10/h")
SERVICE_FAILURES_PER_IP = env.rates("SERVICE_FAILURES_PER_IP", "20/h")
ACCESS_TOKEN_TTL = env.number("ACCESS_TOKEN_TTL", 900, least=1)
REFRESH_TOKEN_TTL = env.number("REFRESH_TOKEN_TTL", 30 * 24 * 3600, least=1)
REFRESH_TOKEN_GRACE = env.number("REFRESH_TOKEN_GRACE", 10)

PHONE_DEFAULT_REGION = env.text("PHONE_DEFAULT_REGION", "RU").upper()
PHONE_ALLOWED_REGIONS = [_region.upper() for _region in env.words("PHONE_ALLOWED_REGIONS", [])]
for _region in [PHONE_DEFAULT_REGION, *PHONE_ALLOWED_REGIONS]:
    if not env.is_region(_region):
        env.refuse("PHONE_DEFAULT_REGION and PHONE_ALLOWED_REGIONS must hold two-letter regions such as RU")
PHONE_ALLOWED_TYPES = env.phone_types("PHONE_ALLOWED_TYPES", ["mobile"])

ACCOUNT_IDLE_DAYS = env.number("ACCOUNT_IDLE_DAYS", 0, most=36500)  # 0: nobody is asked whose account it is

# --- Numbers for tests ----------------------------------------------------------------------------------------------

TEST_NUMBERS = env.fixed_codes("TEST_NUMBERS")
TEST_NUMBERS_UNTIL = env.day("TEST_NUMBERS_UNTIL", most_ahead=180)
if TEST_NUMBERS and not TEST_NUMBERS_UNTIL:
    env.refuse("TEST_NUMBERS is set and TEST_NUMBERS_UNTIL, their last day, is missing")
OTP_FAILURES_PER_TEST_NUMBER = parse_rates("10/d" if TEST_NUMBERS else "off")
OTP_USES_PER_TEST_NUMBER = parse_rates("1000/d" if TEST_NUMBERS else "off")

# --- The message and the ways it may take --------------------------------------------------------------------------

SMS_TEXT = env.text("SMS_TEXT")  # empty: users/sms/texts.py has the words
SMS_TEXT_RU = env.text("SMS_TEXT_RU")
SMS_WEBOTP = env.flag("SMS_WEBOTP", "1")
SMS_SUCCESS = env.text("SMS_SUCCESS")
SMS_HOOK_SECRET = env.signing_secret("SMS_HOOK_SECRET")
SMS_COST = env.costs("SMS_COST")
SMS_GUARD = env.one_of("SMS_GUARD", "record", {"off", "record", "deny"})
SMS_SIMULATED_DELAY = env.seconds_range("SMS_SIMULATED_DELAY", "1-2")

# --- PostgreSQL ----------------------------------------------------------------------------------------------------

DATABASE_IS_EMBEDDED = localdb.is_wanted()
DATABASE_POOL_SIZE = 8  # connections a process
DATABASE_POOL_PATIENCE = 1.6  # seconds to wait for one of them
DATABASE_DEADLINE = 10  # seconds that a request may have one; what PostgreSQL itself cannot end, this does
DATABASE_PREPARE = env.flag("DATABASE_PREPARE", "1")  # 0 behind a PgBouncer that pools transactions
# For a connection and then for two locks a request waits less than 3 seconds, whatever stands in the way; wsgi.py
# applies it, so that migrations may take their time.
SERVING_DATABASE_OPTIONS = (
    "-c statement_timeout=2500 -c lock_timeout=400"
    # Whoever has a hundred thousand referrals is planned for like everybody with ten, and for ten PostgreSQL may
    # collect all and sort them. Without bitmap scans it reads the newest off the index and stops.
    " -c enable_bitmapscan=off"
)
# A machine that is gone says nothing: its connections are given up within some three seconds, asked or waited at.
GONE_MACHINE = {"tcp_user_timeout": 3000, "keepalives_idle": 2, "keepalives_interval": 1}
DATABASE_LOG_CHECK = env.flag("DATABASE_LOG_CHECK", "1")
_embedded_url = localdb.url(database=localdb.DEMO_DATABASE if DEMO else localdb.DATABASE)
_database_url = _embedded_url if DATABASE_IS_EMBEDDED else env.text("DATABASE_URL")
_database = env.postgres(_database_url)
DATABASES = {
    "default": _database
    | {
        "ENGINE": "project.postgres",
        # No ATOMIC_REQUESTS: a refused guess must stay counted, so nothing may roll the counter back.
        "ATOMIC_REQUESTS": False,
        "OPTIONS": {"connect_timeout": 2, "application_name": "zovi"} | GONE_MACHINE | _database.get("OPTIONS", {}),
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Django --------------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "project",
    "users",
    "schema",
    "users.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "project.static.StaticFiles",
    "corsheaders",
    "graphene_django",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]
# What pages pass. Requests of the API pass one layer of their own instead, whichever way they leave it.
PAGE_MIDDLEWARE = [
    "project.http.HeadersMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "project.http.CommonMiddleware",
    "project.http.BodyMiddleware",  # the next one may read the body
    "project.http.OldFormMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "project.http.RefusalMiddleware",
]
MIDDLEWARE = ["project.api_chain.APIChain", *PAGE_MIDDLEWARE]
ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "users.pages.brand.context",
            ]
        },
    }
]
AUTH_USER_MODEL = "users.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("ru", _("Russian"))]
LOCALE_PATHS = [BASE_DIR / "users" / "locale"]  # one catalogue, for the texts of every room
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600

# `collectstatic` gives files hashed names, to be cached for ever, and packs them. PLAIN_STATIC=1 serves them as they
# lie in the source, for runserver and the tests.
PLAIN_STATIC = env.flag("PLAIN_STATIC")
STATIC_URL = "/static/"
STATIC_ROOT = env.folder("STATIC_ROOT", env.LOCAL / "static")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if PLAIN_STATIC
        else "project.static.HashedFiles"
    },
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = PLAIN_STATIC

MAX_BODY_BYTES = 64 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]

# --- What the web must hold ----------------------------------------------------------------------------------------

# TLS ends at the proxy in front. A server that only loopback can reach has none and needs none.
_IS_PUBLIC = not DEMO and not _IS_LOOPBACK_ONLY
SESSION_ENGINE = "project.sessions"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = CHALLENGE_COOKIE_SECURE = _IS_PUBLIC
CHALLENGE_COOKIE_NAME = "challenge"
SECURE_SSL_REDIRECT = _IS_PUBLIC
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if _IS_PUBLIC else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _IS_PUBLIC
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXY_COUNT else None
LANGUAGE_COOKIE_SECURE = _IS_PUBLIC
SESSION_COOKIE_AGE = REFRESH_TOKEN_TTL
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"  # a notice is no reason for a session's row
CSRF_FAILURE_VIEW = "project.http.csrf_failure"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
PERMISSIONS_POLICY = (
    "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), "
    "magnetometer=(), microphone=(), midi=(), payment=(), usb=()"
)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# --- The API -------------------------------------------------------------------------------------------------------

_VERSION = "1.0.0"
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["users.rest.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": [
        "users.rest.content.JSONParser",
        "rest_framework.parsers.FormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_RENDERER_CLASSES": ["users.rest.content.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "users.rest.content.FirstRenderer",
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "users.rest.errors.show_error",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": SITE_NAME,
    "VERSION": _VERSION,
    "DESCRIPTION": "Sign in by phone, invite by code. Every error is `{detail, code}`; codes never change.",
    "LICENSE": {"name": "MIT", "url": "https://opensource.org/license/mit"},
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True},
    "PREPROCESSING_HOOKS": ["users.rest.openapi.add_plain_views"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "users.rest.openapi.add_summaries",
    ],
    "SORT_OPERATIONS": False,  # as in urls.py: in the order they are used
}
GRAPHENE = {"SCHEMA": "schema.documents.schema", "SCHEMA_OUTPUT": "schema/schema.graphql"}
GRAPHQL_JWT = {
    "JWT_SECRET_KEY": JWT_SECRET_KEY,
    "JWT_ALGORITHM": "ES256",
    "JWT_ISSUER": JWT_ISSUER,
    "JWT_AUDIENCE": JWT_AUDIENCE,
    "JWT_VERIFY_EXPIRATION": True,
    "JWT_ENCODE_HANDLER": "users.tokens.access.encode",
    "JWT_PAYLOAD_HANDLER": "users.tokens.access.make_payload",
    "JWT_DECODE_HANDLER": "users.tokens.access.decode",
    "JWT_PAYLOAD_GET_USERNAME_HANDLER": "users.tokens.access.session_named_by",
    "JWT_GET_USER_BY_NATURAL_KEY_HANDLER": "users.tokens.access.user_of_live_session",
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "project.logs.JSONLines"}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line"},
        "nowhere": {"class": "logging.NullHandler"},
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"level": LOG_LEVEL},
        # At DEBUG it prints every statement with its values, phone numbers among them.
        "django.db.backends": {"level": "WARNING"},
        # These print the gateway's URL, which holds its password and the recipient.
        "apprise": {"handlers": ["nowhere"], "propagate": False},
        "urllib3": {"handlers": ["nowhere"], "propagate": False},
    },
}
