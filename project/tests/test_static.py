"""What is collected: all that a page asks for, and not much beside."""

import pytest
from django.core.management import call_command

from project.static import HashedFiles


@pytest.fixture
def collected(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": "project.static.HashedFiles"}}
    call_command("collectstatic", interactive=False, verbosity=0)
    return tmp_path


def test_what_no_page_asks_for_is_left_out(collected):
    assert {path.name for path in collected.iterdir()} == {
        "admin",
        "drf_spectacular_sidecar",
        "schema",
        "staticfiles.json",
        "users",
    }
    assert list(collected.rglob("*.map*")) == []
    assert HashedFiles().url("users/zovi.css").startswith("/static/users/zovi.")
    assert list(collected.glob("drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.*.js.gz")) != []
