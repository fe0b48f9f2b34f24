"""GraphiQL, the page for trying the API out: our own copy of it, or where there is none, a CDN's."""

from dataclasses import dataclass

from django.contrib.staticfiles import finders
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from graphene_django.views import GraphQLView as CDN  # it pins a release and the hashes of its files

_COPIES = "schema/vendor"  # the set-up puts them there, see the Makefile


@dataclass(frozen=True)
class File:
    url: str
    integrity: str = ""


@dataclass(frozen=True)
class Release:
    """`style_written`: the hash of the one style element that GraphiQL itself writes, when it opens a dialog."""

    styles: list[File]
    scripts: list[File]
    style_written: str


def page(request: HttpRequest) -> HttpResponse:
    release = _our_copy() if finders.find(f"{_COPIES}/graphiql.min.js") else _from_cdn()
    response = render(request, "schema/graphiql.html", {"release": release})
    response.headers["Content-Security-Policy"] = _policy(release)
    return response


def _policy(release: Release) -> str:
    """What this page may do, and nothing beside."""
    foreign_scripts = [file.url for file in release.scripts if file.integrity]
    foreign_styles = [file.url for file in release.styles if file.integrity]
    rules = {
        "default-src": ["'none'"],
        "script-src": ["'self'", *foreign_scripts],
        "style-src": ["'self'", f"'{release.style_written}'", *foreign_styles],
        "img-src": ["'self'", "data:"],
        "font-src": ["data:"],  # they come inside the style sheet
        "connect-src": ["'self'"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in rules.items())


def _our_copy() -> Release:
    scripts = ("react.production.min.js", "react-dom.production.min.js", "graphiql.min.js")
    return Release(
        styles=[File(static(f"{_COPIES}/graphiql.min.css"))],
        scripts=[File(static(f"{_COPIES}/{name}")) for name in scripts],
        style_written="sha256-nzTgYzXYDNe6BAHiiI7NNlfK8n/auuOAhh2t92YvuXo=",
    )


def _from_cdn() -> Release:
    npm = "https://cdn.jsdelivr.net/npm"
    react = f"{npm}/react@{CDN.react_version}/umd/react.production.min.js"
    react_dom = f"{npm}/react-dom@{CDN.react_version}/umd/react-dom.production.min.js"
    graphiql = f"{npm}/graphiql@{CDN.graphiql_version}/graphiql.min"
    return Release(
        styles=[File(f"{graphiql}.css", CDN.graphiql_css_sri)],
        scripts=[
            File(react, CDN.react_sri),
            File(react_dom, CDN.react_dom_sri),
            File(f"{graphiql}.js", CDN.graphiql_sri),
        ],
        style_written="sha256-Y/huXlwoYkVyQlxwSVcCi1RCDGDCSVBzDt0hYP9qlTc=",
    )
