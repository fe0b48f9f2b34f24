"""The map."""

from django.contrib import admin
from django.urls import include, path

from project import app_links, docs, health, jwks, metrics
from schema.views import graphql

urlpatterns = [
    path("api/users/", include("users.rest.urls")),
    path("api/service/", include("users.rest.urls_service")),
    path("graphql/", graphql, name="graphql"),
    path("api/schema/", docs.Description.as_view(), name="schema"),
    path("api/docs/swagger/", docs.swagger, name="swagger"),
    path("redoc/", docs.redoc, name="redoc"),
    path("admin/", admin.site.urls),
    path("favicon.ico", docs.favicon),
    path("", include("users.pages.urls")),
    path(".well-known/jwks.json", jwks.jwks, name="jwks"),
    path(".well-known/apple-app-site-association", app_links.apple),
    path(".well-known/assetlinks.json", app_links.android),
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("metrics", metrics.metrics),
]
handler400 = "project.http.bad_request"
handler403 = "project.http.forbidden"
handler404 = "project.http.not_found"
handler500 = "project.http.server_error"
