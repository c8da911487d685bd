"""Pages of lists that may be sixty million rows long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.utils.functional import cached_property

if TYPE_CHECKING:
    _Paginator = Paginator[Any]
else:
    _Paginator = Paginator  # which takes no parameters when it runs

BOUND: Final = 1000
"""No list goes further: whoever looks for something older narrows it."""


class BoundedPaginator(_Paginator):
    """Counts to the bound and no further; thus no page is far from the list's beginning either."""

    @cached_property
    def found(self) -> int:
        rows = cast("QuerySet[Any]", self.object_list)
        return rows.order_by()[: BOUND + 1].count()

    @cached_property
    def count(self) -> int:
        return min(self.found, BOUND)

    @property
    def goes_on(self) -> bool:
        return self.found > BOUND
