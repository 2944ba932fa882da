"""The agency's pages, its admin, and what Craftkit needs to reach."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("charter.urls")),
    path("admin/", admin.site.urls),
    path("craftkit/", include("django_craftkit.urls")),
    path("api/craftkit/", include("django_craftkit.api.urls")),
]
