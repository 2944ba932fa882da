"""Addresses of the public pages."""

from django.urls import path

from charter import views

app_name = "charter"
urlpatterns = [
    path("", views.Home.as_view(), name="home"),
    path("boats/<slug:slug>/", views.BoatPage.as_view(), name="boat"),
    path("b/<str:token>/", views.BookingPage.as_view(), name="booking"),
    path("b/<str:token>/agreement/", views.signed_agreement, name="agreement"),
]
