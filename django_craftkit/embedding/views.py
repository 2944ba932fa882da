"""The addresses that embedded pages call: the form of a guest's link, renewal, publication."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser
from django.core.signing import BadSignature
from django.http import Http404, HttpResponse, UnreadablePostError
from django.shortcuts import render as page
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views import View
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from django_craftkit import conf, credentials
from django_craftkit.models import Template
from django_craftkit.models.exceptions import WrongSchema

from .errors import SessionLost
from .links import FormLink, SourceGone
from .pages import embedding_view, opened, tell, tell_script
from .references import DESIGN, Reference
from .sessions import renew

if TYPE_CHECKING:
    from django.db.models import Model
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from django_craftkit.models import EmbedSession


@method_decorator([login_not_required, embedding_view], name="dispatch")
class Form(View):
    """The page of a guest's link.

    Whatever only looks at the address, a mail program's preview say, mints no session: the page's
    script does, by a POST.
    """

    http_method_names = ["get", "head", "post"]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            link = FormLink.read(kwargs["token"])
        except (BadSignature, TypeError, ValueError):
            raise Http404 from None
        if link.has_expired:
            return self.gone(_("This link has expired."))
        try:
            credentials.check_project(link.project)
            source = link.find_source()
        except (SourceGone, WrongSchema, conf.UnknownProject):
            return self.gone(_("This form is not available any more."))
        return super().dispatch(request, link, source)

    def get(self, request: HttpRequest, link: FormLink, source: Model | None) -> HttpResponseBase:
        known = Template.objects.get_known(link.project, link.template)
        title = (known and known.name) or _("Form")
        context = {"title": title, "url": request.path, "source": source}
        return page(request, "craftkit/form.html", context)

    def post(self, request: HttpRequest, link: FormLink, source: Model | None) -> HttpResponseBase:
        return opened(lambda: link.open(source))

    def gone(self, message: str) -> HttpResponseBase:
        if self.request.method == "POST":
            return tell_script(message, 410)
        return tell(self.request, message, 410)


@login_not_required
@embedding_view
@sensitive_post_parameters("reference")
@require_POST
def renewed(request: HttpRequest) -> HttpResponseBase:
    """Answer with the renewed session that a page has told the reference of.

    403: this visitor may not, or not any more. 409: it can't be renewed. 503: not now.
    """
    found = _session_of(request)
    if isinstance(found, HttpResponse):
        return found
    row, reference = found
    try:
        return opened(lambda: renew(row, reference))
    except SessionLost:
        return tell_script(_("This session has ended. Reload the page to go on."), 409)


@login_not_required
@embedding_view
@sensitive_post_parameters("reference")
@require_POST
def published(request: HttpRequest) -> HttpResponseBase:
    """Have the templates of a project read: one was published in the builder.

    Where nobody calls this, a later sweep reads them.
    """
    found = _session_of(request)
    if isinstance(found, HttpResponse):
        return found
    row, reference = found
    if DESIGN not in reference.permissions:
        return _refused()
    Template.objects.refresh(row.project)
    return HttpResponse(status=204)


def _session_of(request: HttpRequest) -> tuple[EmbedSession, Reference] | HttpResponse:
    # As embed.js sends it; of other forms the sender would choose the encoding.
    if request.content_type != "application/x-www-form-urlencoded":
        return HttpResponse(status=415)
    try:
        reference = Reference.read(request.POST.get("reference", ""))
    except UnreadablePostError:
        return HttpResponse(status=400)  # nobody is there any more
    except (BadSignature, ValueError):
        return _refused()
    row = reference.find(getattr(request, "user", None) or AnonymousUser())
    return _refused() if row is None else (row, reference)


def _refused() -> HttpResponse:
    message = _("You may not go on with this, or are not logged in any more. Reload the page.")
    return tell_script(message, 403)
