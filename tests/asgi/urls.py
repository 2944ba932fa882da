from __future__ import annotations

from django.urls import include, path

from tests.asgi import views

urlpatterns = [
    path("craftkit/", include("django_craftkit.urls")),
    path("rows/", views.rows),
    path("everything/<int:pk>/", views.everything),
    path("badges/<int:pk>/", views.badges),
    path("file/<int:pk>/", views.file),
    path("documents/<key>/", views.document),
    path("about/", views.about),
]
