"""Is the process up, and can it serve? For load balancers and people on call."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache

from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from users import waiting
from users.errors import ServiceUnavailable

READY_WITHIN_SECONDS = 0.9
_asking = ThreadPoolExecutor(2, thread_name_prefix="readyz")


@never_cache
@require_safe
def livez(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when the database can be written to and holds every migration, else 503 within a second."""
    try:
        ready = waiting.result(_asking.submit(_can_serve), within=READY_WITHIN_SECONDS)
    except (TimeoutError, Error):
        ready = False
    if ready:
        return JsonResponse({"status": "ok"})
    error = ServiceUnavailable(retry_after=1)
    return JsonResponse(error.body(), status=error.status, headers=error.headers())


def _can_serve() -> bool:
    try:
        applied = set(MigrationRecorder(connection).applied_migrations())
        return _known_migrations() <= applied and not _is_read_only()
    finally:
        connection.close()


def _is_read_only() -> bool:
    """As a standby is. Its connection is closed: the next one may find who can be written to."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        read_only = cursor.fetchone() == ("on",)
        if read_only:
            cursor.connection.close()
    return read_only


@cache
def _known_migrations() -> set[tuple[str, str]]:
    return set(MigrationLoader(None).disk_migrations)
