"""What staff work with: a booking, the inspection of its boat and the sign-off on one page."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import get_template
from django.utils.translation import gettext_lazy as _

from charter.craftkit import HANDOVER, handover
from charter.models import Boat, Booking, Guest, InspectionArea
from django_craftkit.admin import CraftkitDocumentsMixin
from django_craftkit.models import Render, RenderSuperseded

BOOKING = ["code", "boat", "guest", "skipper", "skipper_email", "starts_on", "ends_on"]
INSPECTION = ["inspector", "engine_hours", "fuel", "notes"]
SIGN_OFF = ["signed_off_at", "signed_off_by", "document"]


@admin.register(Boat)
class BoatAdmin(admin.ModelAdmin):
    list_display = ["name", "kind", "model", "length", "berths", "home_port"]
    list_filter = ["kind", "home_port"]
    search_fields = ["name", "model"]
    prepopulated_fields = {"slug": ["name"]}


@admin.register(Guest)
class GuestAdmin(admin.ModelAdmin):
    list_display = ["name", "email", "phone"]
    search_fields = ["name", "email"]


class AreaInline(admin.TabularInline):
    """The inspected areas. What a guest has a protocol of is not edited any more."""

    model = InspectionArea
    extra = 0

    def has_add_permission(self, request: HttpRequest, obj: Booking | None) -> bool:
        return is_open(obj) and super().has_add_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Booking | None = None) -> bool:
        return is_open(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Booking | None = None) -> bool:
        return is_open(obj) and super().has_delete_permission(request, obj)


@admin.register(Booking)
class BookingAdmin(CraftkitDocumentsMixin, admin.ModelAdmin):
    list_display = [
        *("code", "status", "agreement", "document"),
        *("boat", "guest", "starts_on", "ends_on"),
    ]
    list_per_page = 25
    list_filter = ["status", ("signed_off_at", admin.EmptyFieldListFilter), "boat"]
    list_select_related = ["boat", "guest"]
    search_fields = ["code", "guest__name", "guest__email", "boat__name", "skipper"]
    date_hierarchy = "starts_on"
    autocomplete_fields = ["boat", "guest"]
    inlines = [AreaInline]
    actions = ["sign_off"]
    fieldsets = [
        (None, {"fields": [*BOOKING, "status"]}),
        (_("Inspection on the quay"), {"fields": INSPECTION}),
        (_("Handover"), {"fields": SIGN_OFF}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Booking | None = None) -> list[str]:
        return SIGN_OFF if is_open(obj) else [*BOOKING, *INSPECTION, *SIGN_OFF]

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        changelist = super().get_changelist_instance(request)
        Render.objects.prefetch_for(changelist.result_list)
        return changelist

    @admin.display(description=_("handover protocol"))
    def document(self, booking: Booking) -> str:
        badge = get_template("admin/charter/booking/document.html")
        return badge.render({"booking": booking})

    @admin.display(description=_("charter agreement"))
    def agreement(self, booking: Booking) -> str:
        badge = get_template("admin/charter/booking/signatures.html")
        return badge.render({"booking": booking})

    def has_sign_off_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("charter.sign_off_booking")

    @admin.action(description=_("Sign off the boats"), permissions=["sign_off"])
    def sign_off(self, request: HttpRequest, queryset: QuerySet[Booking]) -> None:
        for booking in queryset:
            self.sign_off_one(request, booking)

    def sign_off_one(self, request: HttpRequest, booking: Booking, besides: Any = "") -> bool:
        """Sign a boat off, or say why not and what was done besides; whether it was signed off."""
        try:
            booking.sign_off(request.user)
        except ValidationError as problem:
            refused = f"{problem.message} {besides}".strip()
            self.message_user(request, refused, messages.ERROR)
            return False
        self.log_change(request, booking, _("Signed off the boat."))
        done = _("%s is signed off, its handover protocol is on the way.") % booking
        self.message_user(request, done, messages.SUCCESS)
        return True

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], **kwargs: Any
    ) -> HttpResponse:
        booking = kwargs.get("obj")
        context["show_sign_off"] = (
            booking is not None
            and is_open(booking)
            and self.has_change_permission(request, booking)
            and self.has_sign_off_permission(request)
        )
        if booking is not None and self.has_correct_permission(request, booking):
            context["protocol"] = protocols(booking).first()
        return super().render_change_form(request, context, **kwargs)

    def has_correct_permission(self, request: HttpRequest, booking: Booking) -> bool:
        may = request.user.has_perm("craftkit.supersede_render")
        return may and self.has_change_permission(request, booking)

    def correct(self, request: HttpRequest, booking: Booking) -> HttpResponse:
        """Have the protocol that the page showed superseded by one of what is saved now."""
        if not self.has_correct_permission(request, booking):
            raise PermissionDenied
        protocol = get_object_or_404(protocols(booking), pk=request.POST["protocol"])
        try:
            protocol.supersede(handover(booking), user=request.user)
        except RenderSuperseded:
            self.message_user(request, _("It was corrected before."), messages.WARNING)
        else:
            self.log_change(request, booking, _("Corrected the handover protocol."))
            done = _("A corrected protocol is on the way. The links to this one end with it.")
            self.message_user(request, done, messages.SUCCESS)
        return HttpResponseRedirect(request.get_full_path())

    def response_change(self, request: HttpRequest, obj: Booking) -> HttpResponse:
        """The button saves the page as the others do, then signs off, in the same transaction.

        Its one message says what became of the sign-off; whoever is refused stays on the page.
        """
        if "_correct" in request.POST:
            return self.correct(request, obj)
        if "_sign_off" not in request.POST:
            return super().response_change(request, obj)
        if not self.has_sign_off_permission(request):
            raise PermissionDenied
        if self.sign_off_one(request, obj, _("The rest of the page is saved.")):
            return self.response_post_save_change(request, obj)
        return HttpResponseRedirect(request.get_full_path())


def protocols(booking: Booking) -> QuerySet[Render]:
    """The booking's handover protocols, the newest first."""
    found: QuerySet[Render] = Render.objects.for_object(booking).filter(template=HANDOVER)
    return found


def is_open(booking: Booking | None) -> bool:
    """Whether the inspection of this booking may still be edited."""
    return booking is None or booking.signed_off_at is None
