"""GraphiQL, the page for trying the API out: from files of our own server, or where they are not, words about it."""

from django.contrib.staticfiles import finders
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static

_FILES = "schema/vendor"  # the set-up puts them there, see the Makefile
# What this page may do, and nothing beside. The hash is that of the one style element that GraphiQL itself writes, when
# it opens a dialog.
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self' 'sha256-nzTgYzXYDNe6BAHiiI7NNlfK8n/auuOAhh2t92YvuXo='",
    "img-src": "'self' data:",
    "font-src": "data:",  # they come inside the style sheet
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}


def page(request: HttpRequest) -> HttpResponse:
    response = render(request, "schema/graphiql.html" if _is_here() else "schema/no_graphiql.html")
    response.headers["Content-Security-Policy"] = "; ".join(f"{name} {what}" for name, what in _POLICY.items())
    return response


def _is_here() -> bool:
    """Files that came after this server had collected its own are served from its next start on."""
    script = f"{_FILES}/graphiql.min.js"
    try:
        return bool(finders.find(script) and static(script))
    except ValueError:
        return False
