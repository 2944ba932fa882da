"""Include under any prefix: ``path("api/craftkit/", include("django_craftkit.api.urls"))``."""

from __future__ import annotations

from rest_framework.routers import SimpleRouter

from .batches import BatchViewSet
from .engagement import EngagementEventViewSet
from .form_submissions import FormSubmissionViewSet
from .renders import RenderViewSet
from .shares import ShareViewSet
from .signatures import SignatureRequestViewSet
from .templates import TemplateViewSet

app_name = "craftkit-api"

router = SimpleRouter()
router.register("renders", RenderViewSet, "render")
router.register("shares", ShareViewSet, "share")
router.register("signature-requests", SignatureRequestViewSet, "signaturerequest")
router.register("engagement", EngagementEventViewSet, "engagementevent")
router.register("form-submissions", FormSubmissionViewSet, "formsubmission")
router.register("batches", BatchViewSet, "batch")
router.register("templates", TemplateViewSet, "template")

urlpatterns = router.urls
