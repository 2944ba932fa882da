"""The public pages."""

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import DetailView, ListView

from charter.models import Boat, Booking


class Home(ListView):
    model = Boat
    template_name = "charter/home.html"
    context_object_name = "boats"


class BoatPage(DetailView):
    model = Boat
    template_name = "charter/boat.html"

    def get_context_data(self, **kwargs: object) -> dict[str, object]:
        taken = self.object.bookings.filter(ends_on__gte=timezone.localdate())
        taken = taken.exclude(status=Booking.Status.CANCELLED).order_by("starts_on")
        return super().get_context_data(taken=taken, **kwargs)


@method_decorator(never_cache, name="dispatch")
class BookingPage(DetailView):
    """A guest's own page. Who has the address may read it, so it is found by its token alone."""

    template_name = "charter/booking.html"
    slug_field = slug_url_kwarg = "token"

    def get_queryset(self) -> QuerySet[Booking]:
        return Booking.objects.select_related("boat", "guest").prefetch_related("areas")
