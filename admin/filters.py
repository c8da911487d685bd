"""Narrowing a list: by states (Django's own), by a span of days or amounts, by payment system."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from datetime import datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, Final

from django.contrib import admin
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from admin.models import PaymentSystem
from admin.wording import say

_TOO_MUCH: Final = 2**62 // 100


class _Span(admin.ListFilter, ABC):
    """Two fields, from and to; either may be left empty."""

    template = "billing/span.html"
    kind = "text"
    column: ClassVar[str]
    names: ClassVar[tuple[str, str]]

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: type[Model], model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        for name in self.names:
            if name in params:
                given = params.pop(name)
                self.used_parameters[name] = given[-1] if isinstance(given, list) else given
        self._others = [(name, value) for name, value in request.GET.items() if name not in {*self.names, PAGE_VAR}]

    def expected_parameters(self) -> list[str | None]:
        return list(self.names)

    def has_output(self) -> bool:
        return True

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """One form instead of links."""
        lowest, highest = (str(self.used_parameters.get(name, "")) for name in self.names)
        yield {
            "from": (self.names[0], lowest),
            "to": (self.names[1], highest),
            "others": self._others,
            "kind": self.kind,
        }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        lowest, highest = (self.read(str(self.used_parameters.get(name, ""))) for name in self.names)
        if lowest is not None:
            queryset = queryset.filter(**{f"{self.column}__gte": lowest})
        if highest is not None:
            queryset = queryset.filter(**self.until(highest))
        return queryset

    @abstractmethod
    def read(self, text: str) -> Any:
        """None for nothing, and for what cannot be read."""

    def until(self, highest: Any) -> dict[str, Any]:
        return {f"{self.column}__lte": highest}


class DaySpan(_Span):
    """Days of the reader's calendar, the last one included."""

    kind = "date"
    title = say("created")
    column = "created_at"
    names = ("created_from", "created_to")

    def read(self, text: str) -> datetime | None:
        try:
            day = datetime.strptime(text, "%Y-%m-%d")  # noqa: DTZ007 - a day; its zone is the reader's, given below
            _next(day)
        except (ValueError, OverflowError):  # after the last day of the calendar there is none
            return None
        return timezone.make_aware(datetime.combine(day, time.min))

    def until(self, highest: datetime) -> dict[str, Any]:
        return {f"{self.column}__lt": _next(highest)}


def _next(day: datetime) -> datetime:
    return day + timedelta(days=1)


class AmountSpan(_Span):
    """In roubles; with a comma or a point."""

    title = say("amount")
    column = "amount"
    names = ("amount_from", "amount_to")

    def read(self, text: str) -> int | None:
        try:
            roubles = Decimal(text.strip().replace(",", ".").replace("\u00a0", ""))
            return int(roubles * 100) if 0 <= roubles < _TOO_MUCH else None
        except InvalidOperation:
            return None


class OfPaymentSystem(admin.SimpleListFilter):
    title = say("payment system")
    parameter_name = "payment_system"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(one.code, one.name) for one in PaymentSystem.objects.order_by("code")[:100]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(payment_system=self.value()) if self.value() else queryset


class OpenFirst(admin.SimpleListFilter):
    """The queue: without a choice it shows what is open."""

    title = say("status")
    parameter_name = "state"
    _WHICH: ClassVar[dict[str | None, Callable[[QuerySet[Any]], QuerySet[Any]]]] = {
        None: lambda rows: rows.filter(resolved_at=None),
        "resolved": lambda rows: rows.filter(resolved_at__isnull=False),
        "all": lambda rows: rows,
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("resolved", say("resolved")), ("all", say("all"))]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        yield {
            "selected": self.value() is None,
            "query_string": changelist.get_query_string(remove=[self.parameter_name]),
            "display": say("open"),
        }
        for value, title in self.lookup_choices:
            yield {
                "selected": self.value() == value,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": title,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return self._WHICH.get(self.value(), self._WHICH["all"])(queryset)
