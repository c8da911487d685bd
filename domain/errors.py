"""Broken rules, each a class with the code that callers see; infrastructure/http/problems.py gives it a status."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from domain.money import Money


class RuleBroken(Exception):  # noqa: N818 -- a broken rule is an answer to the caller, not a malfunction
    """What was asked is against a rule; nothing was changed. `code` is part of the contract."""

    code: str = "conflict"

    def __init__(self, detail: str, **extra: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra: Mapping[str, object] = extra


class NotFoundHere(RuleBroken):
    code = "not_found"

    def __init__(self, what: str = "object") -> None:
        super().__init__(f"There is no such {what}.")


class PlanNotFound(RuleBroken):
    code = "plan_not_found"

    def __init__(self, plan_code: str) -> None:
        super().__init__(f"There is no plan {plan_code} for sale.")


class PriceChanged(RuleBroken):
    """PAY-9: the price shown to the person is not the price that holds."""

    code = "price_changed"

    def __init__(self, current: Money) -> None:
        super().__init__(
            f"The price is {current} now.", current_price={"value": current.value, "currency": current.currency}
        )


class AlreadySubscribed(RuleBroken):
    code = "already_subscribed"

    def __init__(self, subscription_id: UUID) -> None:
        super().__init__("The person has a subscription to this plan.", subscription_id=str(subscription_id))


class PersonErased(RuleBroken):
    """Who they were was erased: nothing is begun for them any more, and nothing kept."""

    code = "person_erased"

    def __init__(self) -> None:
        super().__init__("This person's data was erased: nothing can be sold to them or kept for them any more.")


class PaymentInProgress(RuleBroken):
    """Invariant 3: while one payment of a subscription is unresolved, no other is started."""

    code = "payment_in_progress"

    def __init__(self, payment_id: UUID) -> None:
        super().__init__("A payment of this subscription has not ended yet.")
        self.payment_id = payment_id


class NothingToPay(RuleBroken):
    code = "nothing_to_pay"


class NotDue(RuleBroken):
    code = "not_due"


class NothingToRefund(RuleBroken):
    code = "nothing_to_refund"


class RefundInProgress(RuleBroken):
    code = "refund_in_progress"


class RefundExceedsPayment(RuleBroken):
    code = "refund_exceeds_payment"


class NotCancelable(RuleBroken):
    """The subscription is in no state to be canceled that way."""

    code = "not_cancelable"


class NotResumable(RuleBroken):
    """There is no planned cancellation to take back."""

    code = "not_resumable"


class NotChangeable(RuleBroken):
    """The subscription is in no state to be given another plan."""

    code = "not_changeable"


class PaymentSystemUnavailable(RuleBroken):
    """The caller named a payment system that is unknown, archived or switched off."""

    code = "payment_system_unavailable"


class CardNotSupported(RuleBroken):
    code = "card_not_supported"


class BindingNotPossible(RuleBroken):
    code = "binding_not_possible"


class ReferenceUsed(RuleBroken):
    """Money from outside is named by its source and reference, once: these two name something else already."""

    code = "reference_used"


class NotSetAside(RuleBroken):
    """Only what was set aside can be looked at once more."""

    code = "not_set_aside"


class CaseClosed(RuleBroken):
    """What was found stays as it was written first."""

    code = "case_closed"


class InvalidField(RuleBroken):
    """A field that is well formed and still can't be meant; told as the fields of a body are."""

    code = "validation_failed"

    def __init__(self, field: str, message: str) -> None:
        super().__init__("What was sent is not valid.", errors=[{"field": field, "message": message}])


class AlreadyExists(RuleBroken):
    code = "already_exists"


class InvalidRegistration(RuleBroken):
    """A payment system that could not be built from what was given."""

    code = "validation_failed"

    def __init__(self, field: str, message: str) -> None:
        super().__init__("What was sent is not valid.", errors=[{"field": field, "message": message}])


class IllegalTransition(Exception):  # noqa: N818 -- named for what happened
    """A state was asked to move against its table of transitions (invariant 6): a defect of ours, not of the caller."""
