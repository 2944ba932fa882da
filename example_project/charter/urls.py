"""Addresses of the public pages."""

from django.urls import path

from charter import views

app_name = "charter"
urlpatterns = [
    path("", views.Home.as_view(), name="home"),
    path("boats/<slug:slug>/", views.BoatPage.as_view(), name="boat"),
    path("b/<str:token>/", views.BookingPage.as_view(), name="booking"),
    path("b/<str:token>/agreement/", views.signed_agreement, name="agreement"),
    path("b/<str:token>/crew/", views.crew_list, name="crew_list"),
    path("b/<str:token>/links/", views.MakeLink.as_view(), name="share"),
    path("b/<str:token>/links/<int:pk>/revoke/", views.revoke_link, name="revoke"),
]
