"""Both views at the same depth, so that finding them costs the same."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path, re_path

from .by_hand.views import webhook
from .views import bare

hooks = [re_path(r"^webhooks/(?P<project>[^/]+)/?$", bare)]

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/craftkit/", include("django_craftkit.api.urls")),
    path("bare/", include((hooks, "bare"))),
    path("by-hand/webhooks/", webhook),
    path("craftkit/", include("django_craftkit.urls")),
]
