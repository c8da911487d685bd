"""What the rooms of the panel have in common: a list, a page of one object, and what can be done with it."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ERROR_FLAG, SEARCH_VAR
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.forms.widgets import MediaDefiningClass
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from admin.acts import Act, Text
from admin.finding import Search
from admin.paging import BoundedPaginator
from admin.performing import perform
from admin.present import present
from admin.wording import said, say

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Any]
else:
    _Admin = admin.ModelAdmin  # which takes no parameters when it runs

Fact = tuple[Text, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a heading; `empty` says what to do where there are none, `more` leads to all of them."""

    title: Text
    heads: Sequence[Text]
    rows: Sequence[Sequence[Any]]
    empty: Text
    more: str = ""

    @property
    def columns(self) -> list[tuple[Text, bool]]:
        """Each head, and whether amounts stand below it."""
        first = self.rows[0] if self.rows else [""] * len(self.heads)
        return [(head, 'class="money"' in str(cell)) for head, cell in zip(self.heads, first, strict=True)]


@dataclass(frozen=True, slots=True)
class Button:
    text: Text
    url: str
    grave: bool


class _RoomClass(ABCMeta, MediaDefiningClass):
    """Django's own classes of the panel are made by one that knows nothing of abstract methods."""


class Room(_Admin, metaclass=_RoomClass):
    """Subclasses say what is listed, and what stands on the page of one object."""

    actions = None
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # each would be a count
    list_per_page = 50
    ordering: ClassVar[tuple[str, ...]] = ("-id",)  # ids grow with time, so this is by age and follows the key's index
    sortable_by: ClassVar[tuple[str, ...]] = ()
    change_list_template = "billing/list.html"

    acts: ClassVar[Sequence[Act]] = ()
    creates: ClassVar[Act | None] = None
    retires: ClassVar[Act | None] = None
    search: ClassVar[Search | None] = None
    hint: ClassVar[Text] = say("Nothing found: remove a filter, or search for something else.")
    """What a list says in which nothing was found."""
    empty: ClassVar[Text] = ""
    """What it says where there is nothing to be found, if that is another thing."""

    @abstractmethod
    def facts(self, target: Any) -> Sequence[Fact]:
        """What stands on the page of one object, in this order."""

    def tables(self, target: Any, now: datetime) -> Sequence[Table]:
        return ()

    def title(self, target: Any) -> str:
        return str(target)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.creates is not None and request.user.has_perm(self.creates.permission)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nothing is changed the way Django would: it would write."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        about = [*self.acts, *([self.retires] if self.retires else [])]
        own = [path(f"<path:object_id>/{act.name}/", self._view(act), name=self._name(act)) for act in about]
        return [*own, *super().get_urls()]

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Django looks whether there are any; what is searched says `search`."""
        return ("pk",) if self.search else ()

    def get_search_results(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],
        search_term: str,
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip().replace("\0", "")
        if not term or self.search is None:
            return queryset, False
        return self.search.find(queryset, term), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        values = (one for name, given in request.GET.lists() if name != SEARCH_VAR for one in given)
        if any("\0" in one for one in values):  # which is in no text of Postgres; told as Django tells a bad filter
            return HttpResponseRedirect(f"{request.path}?{ERROR_FLAG}=1")
        return super().changelist_view(
            request, {"hint": self.hint, "empty": self.empty, "title": "", **(extra_context or {})}
        )

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if self.creates is None:
            raise PermissionDenied
        return perform(self, request, None, self.creates)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page of one object."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        target = self.get_object(request, unquote(object_id))
        if target is None:
            return self._gone(request)
        now = present()
        context = {
            **self.admin_site.each_context(request),
            **(extra_context or {}),
            "title": self.title(target),
            "opts": self.opts,
            "target": target,
            "facts": self.facts(target),
            "tables": self.tables(target, now),
            "buttons": self._buttons(request, target, now),
        }
        return TemplateResponse(request, "billing/page.html", context)

    def delete_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Django's own would delete the row."""
        raise PermissionDenied

    def _buttons(self, request: HttpRequest, target: Model, now: datetime) -> list[Button]:
        about = [*self.acts, *([self.retires] if self.retires else [])]
        return [
            Button(act.button, reverse(f"admin:{self._name(act)}", args=[target.pk]), act.grave)
            for act in about
            if request.user.has_perm(act.permission) and act.is_possible(target, now)
        ]

    def _gone(self, request: HttpRequest) -> HttpResponse:
        messages.warning(request, said("It is not there, or not any more."))
        return HttpResponseRedirect(reverse(f"admin:billing_{self.opts.model_name}_changelist"))

    def _name(self, act: Act) -> str:
        return f"billing_{self.opts.model_name}_{act.name}"

    def _view(self, act: Act) -> Callable[..., HttpResponse]:
        return self.admin_site.admin_view(partial(self._act, act))

    def _act(self, act: Act, request: HttpRequest, object_id: str) -> HttpResponse:
        target = self.get_object(request, unquote(object_id))
        if target is None:
            return self._gone(request)
        return perform(self, request, target, act)
