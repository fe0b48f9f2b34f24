"""GraphiQL, the page for trying the API out: our own copy of it, or where there is none, a CDN's."""

from django.contrib.staticfiles import finders
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from graphene_django.views import GraphQLView as CDN  # it pins a release and the hashes of its files

_COPIES = "schema/vendor"  # `make graphiql` puts them there
_CDN = "https://cdn.jsdelivr.net"
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self' 'unsafe-inline'",  # its editor and menus write style elements
    "img-src": "'self' data:",
    "font-src": "'self' data:",  # they come inside its style sheet
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}


def page(request: HttpRequest) -> HttpResponse:
    is_ours = finders.find(f"{_COPIES}/graphiql.min.js") is not None
    response = render(request, "schema/graphiql.html", _our_files() if is_ours else _cdn_files())
    response.headers["Content-Security-Policy"] = _policy(() if is_ours else (_CDN,))
    return response


def _policy(sources: tuple[str, ...]) -> str:
    """What this page may do. `sources`: where scripts and styles may come from beside here."""
    rules = _POLICY | {name: " ".join((_POLICY[name], *sources)) for name in ("script-src", "style-src")}
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _our_files() -> dict[str, list[dict[str, str]]]:
    scripts = ("react.production.min.js", "react-dom.production.min.js", "graphiql.min.js")
    return {
        "styles": [{"url": static(f"{_COPIES}/graphiql.min.css")}],
        "scripts": [{"url": static(f"{_COPIES}/{name}")} for name in scripts],
    }


def _cdn_files() -> dict[str, list[dict[str, str]]]:
    react, graphiql = CDN.react_version, CDN.graphiql_version
    return {
        "styles": [_hashed(f"graphiql@{graphiql}/graphiql.min.css", CDN.graphiql_css_sri)],
        "scripts": [
            _hashed(f"react@{react}/umd/react.production.min.js", CDN.react_sri),
            _hashed(f"react-dom@{react}/umd/react-dom.production.min.js", CDN.react_dom_sri),
            _hashed(f"graphiql@{graphiql}/graphiql.min.js", CDN.graphiql_sri),
        ],
    }


def _hashed(path: str, integrity: str) -> dict[str, str]:
    return {"url": f"{_CDN}/npm/{path}", "integrity": integrity}
