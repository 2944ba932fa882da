"""How documents are found."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self, cast

from django.db import models

from django_craftkit import clock, conf
from django_craftkit.functions import alters_data
from django_craftkit.twins import async_twin

from .erasing import erase
from .identity import Identity, any_of, identify_if_known
from .job import Job
from .mirror import SHOWN_FOR
from .project import ProjectState
from .source import SourcedQuerySet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from django.contrib.auth.models import AbstractBaseUser

    from .erasure import Erasure
    from .render import Render  # noqa: F401 - in the name of the base class


#: What ``prefetch_for`` leaves on an object: its documents, newest first.
PREFETCHED = "_craftkit_renders"


class RenderQuerySet(SourcedQuerySet["Render"]):
    """The documents, to find them."""

    def for_object(self, source: models.Model) -> Self:
        """Return the documents about an object, newest first; ``source`` is the object."""
        return self.for_objects([source]).order_by("-requested_at", "-pk")

    def prefetch_for(self, objects: Iterable[models.Model], *, signatures: bool = True) -> None:
        """Read what the template tags show of many ``objects``: four queries, however many.

        The third and the fourth are about signature requests and who is to sign them; without
        ``signatures`` it is two. All read the database that ``using()`` names, if it was called.
        """
        sources: dict[Identity, list[models.Model]] = {}
        for one in objects:
            if one.pk is not None:
                setattr(one, PREFETCHED, [])
                if (known := identify_if_known(one)) is not None:
                    sources.setdefault(known, []).append(one)
        using: str | None = cast("Any", self)._db
        shares = Job.Kind.SHARE.model.objects.using(using).to_hand_out()
        links = models.Prefetch("shares", shares, to_attr="open_links")
        signing = Job.Kind.POLL_OR_CANCEL.model.objects.using(using).with_signers()
        newest = signing.defer("fields", "anchor_tags", "answer").order_by("-requested_at", "-pk")
        requests = models.Prefetch("signature_requests", newest, to_attr="newest_requests")
        more = [links, requests] if signatures else [links]
        by_row = {row: ones for known, ones in sources.items() for row in known.columns}
        renders = self.filter(any_of(sources)).order_by("-requested_at", "-pk")
        for render in renders.defer("data", "answer").prefetch_related(*more):
            for one in by_row.get(render.source_columns, ()):
                getattr(one, PREFETCHED).append(render)

    aprefetch_for = async_twin(prefetch_for)

    def under_way(self) -> Self:
        """Return the documents that are still coming: pending, queued or rendering."""
        # Named, not excluded: an index finds a few statuses, and none that is left out.
        return self.filter(status__in=self.model.UNDER_WAY)

    def overdue(self) -> Self:
        """Return the documents that are under way for longer than ``OVERDUE_AFTER``.

        None while everything is paused; none of a project that is paused, or that catches up.
        """
        options = conf.options()
        if options.PAUSED:
            return self.none()
        limit = clock.now() - timedelta(seconds=options.OVERDUE_AFTER)
        excused = ProjectState.objects.excused().filter(capability="").values("project")
        return self.under_way().filter(attempted_at__lt=limit).exclude(project__in=excused)

    def waiting(self) -> Self:
        """Return the documents that aren't sent because their project, or everything, is paused."""
        is_paused = ProjectState.objects.paused_rows(ProjectState.Capability.WHOLE)
        return self.filter(status=self.model.Status.PENDING).filter(is_paused)

    def failed_since(self, moment: datetime) -> Self:
        """Return the documents that failed or were rejected, and changed at ``moment`` or later.

        ``moment`` is aware, where ``USE_TZ`` is on.
        """
        return self.filter(
            status__in=(self.model.Status.FAILED, self.model.Status.REJECTED),
            updated_at__gte=moment,
        )

    def failed(self) -> Self:
        """Return the documents that failed or were rejected, and were not withdrawn."""
        statuses = (self.model.Status.FAILED, self.model.Status.REJECTED)
        return self.filter(status__in=statuses, withdrawn_at=None)

    def needing_action(self) -> Self:
        """Return the documents that failed or were rejected in the last 30 days.

        Not those that were retried or withdrawn since.
        """
        return self.failed_since(clock.now() - SHOWN_FOR).filter(withdrawn_at=None)

    @alters_data
    def erase(
        self,
        *,
        addresses: Iterable[str] = (),
        objects: Iterable[models.Model] = (),
        project: str | None = None,
        archive: bool = False,
        dry_run: bool = False,
        user: AbstractBaseUser | None = None,
        on_progress: Callable[[Erasure], object] | None = None,
    ) -> Erasure:
        """Erase what these documents hold about people, and withdraw them; a skeleton stays.

        Links are revoked, signature requests cancelled, and what Craftkit says later brings nothing
        back. What was submitted by forms for the objects that they are about is erased with them,
        and the embed sessions that it was filled in by. In batches, each in a transaction; who is
        interrupted does it again.

        Args:
            addresses: e-mail addresses; links, mails and signature requests to them are erased,
                too, whatever document they are of.
            objects: form submissions and embed sessions about these are erased, too, where no
                document is about them.
            project: an alias of the settings: only these documents, and addresses, of it.
            archive: whether archived signed files and certificates go as well. Archived copies of
                the documents always do.
            dry_run: only say what would be erased.
            user: who the history says withdrew them.
            on_progress: called after each batch with what was erased by then.

        Raises:
            TypeError: the addresses are one text, or no texts.
            ValueError: one of them is no address.
        """
        return erase(
            self,
            addresses=addresses,
            objects=objects,
            project=project,
            archive=archive,
            dry_run=dry_run,
            user=user,
            on_progress=on_progress,
        )

    aerase = async_twin(erase)
