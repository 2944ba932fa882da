"""Include under any prefix: ``path("craftkit/", include("django_craftkit.urls"))``."""

from __future__ import annotations

from django.urls import path, re_path

from .badges import statuses
from .downloads import Download, GuestDownload
from .embedding.views import Form, published, renewed
from .health import health
from .webhooks.views import receive

app_name = "craftkit"

urlpatterns = [
    # A webhook's address is typed in by hand: with and without the slash it is the same.
    re_path(r"^webhooks/(?P<project>[^/]+)/?$", receive, name="webhook"),
    path("health/", health, name="health"),
    path("statuses/", statuses, name="statuses"),
    re_path(r"^documents/(?P<pk>[0-9]{1,18})/$", Download.as_view(), name="download"),
    path("documents/guest/<str:token>/", GuestDownload.as_view(), name="guest_download"),
    path("forms/<str:token>/", Form.as_view(), name="form"),
    path("embed/renew/", renewed, name="embed_renew"),
    path("embed/published/", published, name="embed_published"),
]
