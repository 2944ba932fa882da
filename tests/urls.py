from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("craftkit/", include("django_craftkit.urls")),
    path("api/craftkit/", include("django_craftkit.api.urls")),
    path("admin/", admin.site.urls),
    path("", include("charter.urls")),
]
