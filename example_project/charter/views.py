"""The public pages."""

from typing import Any

from django.contrib.auth.decorators import login_not_required, permission_required
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from django.views.generic import DetailView, ListView

from charter.craftkit import AGREEMENT, CREW_LIST, crew
from charter.desk import LinkForm, desk_of, mail_of, newest_protocol
from charter.models import Boat, Booking
from django_craftkit.embedding import create_session, embedding_view, get_form_url
from django_craftkit.models import ArchivedFile, FormSubmission, Share, SignatureRequest

#: Who fills in the crew list of any booking; guests fill in their own.
CHANGE = "charter.change_booking"
#: Seconds that a guest may leave the page of a booking open before the link on it ends.
LINK_SECONDS = 24 * 3600


@method_decorator(login_not_required, name="dispatch")
class Home(ListView):
    model = Boat
    template_name = "charter/home.html"
    context_object_name = "boats"


@method_decorator(login_not_required, name="dispatch")
class BoatPage(DetailView):
    model = Boat
    template_name = "charter/boat.html"

    def get_context_data(self, **kwargs: object) -> dict[str, object]:
        taken = self.object.bookings.filter(ends_on__gte=timezone.localdate())
        taken = taken.exclude(status=Booking.Status.CANCELLED).order_by("starts_on")
        return super().get_context_data(taken=taken, **kwargs)


@method_decorator([login_not_required, never_cache], name="dispatch")
class BookingPage(DetailView):
    """A guest's own page. Who has the address may read it, so it is found by its token alone.

    Staff see their desk on it, as far as their permissions go.
    """

    template_name = "charter/booking.html"
    slug_field = slug_url_kwarg = "token"

    def get_queryset(self) -> QuerySet[Booking]:
        return Booking.objects.select_related("boat", "guest").prefetch_related("areas")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        request = newest_request(self.object)
        return super().get_context_data(
            signature_request=request,
            signed=request and signed_file(request),
            mail=mail_of(self.object),
            crew=submitted_crew(self.object),
            crew_list=crew_list_url(self.object),
            desk=desk_of(self.object, self.request.user, kwargs.pop("form", None)),
            **kwargs,
        )


class MakeLink(PermissionRequiredMixin, BookingPage):
    """The desk's form, sent by a browser without JavaScript."""

    http_method_names = ["post"]
    permission_required = "craftkit.add_share"
    raise_exception = True

    def post(self, request: HttpRequest, **kwargs: object) -> HttpResponse:
        self.object = self.get_object()
        form = LinkForm(request.POST)
        if form.is_valid() and form.share(newest_protocol(self.object), request.user):
            return redirect(self.object)
        return self.render_to_response(self.get_context_data(form=form), status=400)


@embedding_view
@permission_required(CHANGE, raise_exception=True)
def crew_list(request: HttpRequest, token: str) -> HttpResponse:
    """The form of the crew list, for staff who fill it in with the guest."""
    booking = get_object_or_404(Booking, token=token)
    session = create_session(
        CREW_LIST, source=booking, user=request.user, permission=CHANGE, prefill=crew(booking)
    )
    return render(request, "charter/crew_list.html", {"booking": booking, "session": session})


@require_POST
@permission_required("craftkit.revoke_share", raise_exception=True)
def revoke_link(request: HttpRequest, token: str, pk: int) -> HttpResponse:
    """The button beside a link, pressed in a browser without JavaScript."""
    booking = get_object_or_404(Booking, token=token)
    get_object_or_404(Share, pk=pk, render=newest_protocol(booking)).revoke(user=request.user)
    return redirect(booking)


@login_not_required
@never_cache
def signed_agreement(request: HttpRequest, token: str) -> FileResponse:
    """The signed agreement, for whoever may read the page of its booking."""
    booking = get_object_or_404(Booking, token=token)
    found = newest_request(booking)
    signed = found and signed_file(found)
    if not signed:
        raise Http404
    # FileResponse closes the file.
    return FileResponse(
        signed.open(), content_type="application/pdf", filename=f"agreement-{booking.code}.pdf"
    )


def crew_list_url(booking: Booking) -> str:
    """Where the guest fills in the crew list, until the boat is signed off."""
    if booking.signed_off_at or booking.status != Booking.Status.CONFIRMED:
        return ""
    return get_form_url(CREW_LIST, source=booking, prefill=crew(booking), expires=LINK_SECONDS)


def submitted_crew(booking: Booking) -> FormSubmission | None:
    """The crew list as it was submitted last; whoever fills it in anew replaces it."""
    submitted = FormSubmission.objects.for_object(booking).filter(template=CREW_LIST)
    return submitted.filter(data__isnull=False).first()


def newest_request(booking: Booking) -> SignatureRequest | None:
    """How far the agreement is, and who has signed it."""
    requests: QuerySet[Any] = SignatureRequest.objects.for_object(booking)
    found: SignatureRequest | None = (
        requests.filter(render__template=AGREEMENT).prefetch_related("recipients").first()
    )
    return found


def signed_file(request: SignatureRequest) -> ArchivedFile | None:
    """The agency's own copy of what was signed; it is here some seconds after the last name."""
    return ArchivedFile.objects.of(ArchivedFile.Kind.SIGNED, request.pk)
