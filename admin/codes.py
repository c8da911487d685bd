"""What the service's own codes are called, in English and in Russian."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CODES: Final[Mapping[str, tuple[str, str]]] = {
    # states
    "pending": ("pending", "ожидает"),
    "trialing": ("trial", "пробный период"),
    "active": ("active", "активна"),
    "past_due": ("past due", "просрочена"),
    "canceled": ("canceled", "отменено"),
    "expired": ("expired", "истекла"),
    "succeeded": ("succeeded", "успешно"),
    "unknown": ("unknown", "неизвестно"),
    "owed": ("waiting", "в очереди"),
    "sent": ("sent", "отправлено"),
    "undeliverable": ("undeliverable", "не доставлено"),
    # kinds of payments, and who asked for a refund
    "first": ("first", "первый"),
    "renewal": ("renewal", "продление"),
    "plan_change": ("change of plan", "смена тарифа"),
    "binding": ("binding of a card", "привязка карты"),
    "external": ("from outside", "внешний"),
    "person": ("the user", "пользователь"),
    "internal": ("an administrator or service", "администратор или сервис"),
    "late_money": ("money that came too late", "опоздавшие деньги"),
    "cabinet": ("in the payment system's cabinet", "в кабинете платёжной системы"),
    # actors
    "user": ("user", "пользователь"),
    "service": ("service", "сервис"),
    "admin": ("administrator", "администратор"),
    "system": ("billing itself", "биллинг сам"),
    "payment_system": ("payment system", "платёжная система"),
    # periods
    "day": ("day", "день"),
    "week": ("week", "неделя"),
    "month": ("month", "месяц"),
    "year": ("year", "год"),
    # what happens
    "subscription.requested": ("Subscription begun", "Подписка начата"),
    "subscription.activated": ("Subscription active", "Подписка активна"),
    "subscription.trial_started": ("Trial begun", "Пробный период начат"),
    "subscription.renewed": ("Renewed", "Подписка продлена"),
    "subscription.past_due": ("Renewal not paid", "Продление не оплачено"),
    "subscription.plan_changed": ("Plan changed", "Тариф сменён"),
    "subscription.plan_change_planned": ("Change of plan for the period's end", "Смена тарифа в конце периода"),
    "subscription.plan_change_dropped": ("Change of plan dropped", "Смена тарифа не состоится"),
    "subscription.charge_planned": ("Reminder of a charge", "Напоминание о списании"),
    "subscription.cancellation_planned": ("Canceled for the period's end", "Отмена в конце периода"),
    "subscription.resumed": ("Cancellation taken back", "Отмена отозвана"),
    "subscription.canceled": ("Canceled", "Подписка отменена"),
    "subscription.expired": ("Expired", "Подписка истекла"),
    "payment.requested": ("Payment begun", "Платёж начат"),
    "payment.pending": ("Payment waits", "Платёж ожидает"),
    "payment.unknown": ("Payment without an answer", "Платёж без ответа"),
    "payment.succeeded": ("Paid", "Оплачено"),
    "payment.failed": ("Payment refused", "Платёж отклонён"),
    "refund.requested": ("Refund asked for", "Возврат запрошен"),
    "refund.pending": ("Refund waits", "Возврат ожидает"),
    "refund.unknown": ("Refund without an answer", "Возврат без ответа"),
    "refund.succeeded": ("Money returned", "Деньги возвращены"),
    "refund.failed": ("Refund refused", "Возврат отклонён"),
    "payment_method.removed": ("Payment method removed", "Способ оплаты удалён"),
    # cases
    "renewal_overdue": ("Renewal: does not get through", "Продление: не доходит до платёжной системы"),
    "mail_undeliverable": ("Mail: given up, not for its address", "Письмо: не доставлено, дело не в адресе"),
    "payment_unresolved": ("Payment: no outcome yet", "Платёж: исход не выяснен"),
    "refund_unresolved": ("Refund: no outcome yet", "Возврат: исход не выяснен"),
    "payment_late_news": ("Payment: late news", "Платёж: запоздалая новость"),
    "refund_late_news": ("Refund: late news", "Возврат: запоздалая новость"),
    "payment_foreign": ("Payment: an answer about another one", "Платёж: ответ о чужом"),
    "refund_foreign": ("Refund: an answer about another one", "Возврат: ответ о чужом"),
    "payment_doubled": ("Payment: perhaps charged twice", "Платёж: возможно, списан дважды"),
    "refund_doubled": ("Refund: perhaps returned twice", "Возврат: возможно, сделан дважды"),
    "payment_amount_differs": ("Payment: another amount there", "Платёж: там другая сумма"),
    "refund_amount_differs": ("Refund: another amount there", "Возврат: там другая сумма"),
    "payment_needs_capture": ("Payment is held there until it is taken", "Платёж ждёт подтверждения в кабинете"),
    "payment_reason_unknown": ("Refused for a reason that is new", "Отказ по неизвестной причине"),
    "payment_forbidden": ("The shop lacks the right to charge like that", "У магазина нет права на такое списание"),
    "refund_canceled": ("Refund refused", "Возврат отклонён"),
    "subscription_stranded": ("Subscription waits for nothing", "Подписка застряла"),
    "cabinet_refund_exceeds": ("Returned in the cabinet: more than was paid", "Возврат в кабинете больше платежа"),
    "paid_while_refunding": ("Paid while it was returned", "Оплачено во время возврата"),
    # cases: work that fails
    "renewal_stuck": ("A renewal does not get done", "Продление не выполняется"),
    "reminder_stuck": ("A reminder does not go out", "Напоминание не отправляется"),
    "ending_stuck": ("A subscription does not come to its end", "Подписка не завершается"),
    "payment_stuck": ("A request about a payment does not get done", "Запрос по платежу не выполняется"),
    "refund_stuck": ("A request about a refund does not get done", "Запрос по возврату не выполняется"),
    "notification_stuck": ("A notification is not followed", "Уведомление не обрабатывается"),
    # cases: where the books differ
    "reconcile_unknown_here": ("Reconciliation: there, but not here", "Сверка: там есть, у нас нет"),
    "reconcile_unknown_there": ("Reconciliation: here, but not there", "Сверка: у нас есть, там нет"),
    "reconcile_amount_differs": ("Reconciliation: the amounts differ", "Сверка: разные суммы"),
    "reconcile_state_differs": ("Reconciliation: the states differ", "Сверка: разные состояния"),
    "reconcile_doubled": ("Reconciliation: two payments there for one of ours", "Сверка: там два платежа на один наш"),
    "reconcile_refunds_differ": ("Reconciliation: another sum was returned there", "Сверка: возвращено по-разному"),
    "reconcile_unreadable": ("Reconciliation: an answer that cannot be read", "Сверка: ответ не читается"),
    "reconcile_refund_unknown_here": (
        "Reconciliation: a refund there, but not here",
        "Сверка: возврат есть там, у нас нет",
    ),
    "reconcile_refund_unknown_there": (
        "Reconciliation: a refund here, but not there",
        "Сверка: возврат есть у нас, там нет",
    ),
    "reconcile_refund_amount_differs": (
        "Reconciliation: the refund's amounts differ",
        "Сверка: суммы возврата разные",
    ),
    "reconcile_refund_state_differs": (
        "Reconciliation: the refund's states differ",
        "Сверка: состояния возврата разные",
    ),
    "reconcile_refund_doubled": (
        "Reconciliation: two refunds there for one of ours",
        "Сверка: там два возврата на один наш",
    ),
    "reconcile_refund_foreign": (
        "Reconciliation: a refund of another payment",
        "Сверка: возврат чужого платежа",
    ),
}

FACTS: Final[Mapping[str, tuple[str, str]]] = {
    "attempts": ("tries", "попыток"),
    "day": ("day", "день"),
    "events": ("tells", "сообщает"),
    "failures": ("failures in a row", "неудач подряд"),
    "history": ("our history of it", "наша история о нём"),
    "metadata": ("metadata there", "метаданные там"),
    "ours": ("here", "у нас"),
    "provider_id": ("id at the payment system", "номер в платёжной системе"),
    "provider_payment_id": ("id of the payment there", "номер платежа там"),
    "provider_status": ("status there", "состояние там"),
    "subscription_id": ("subscription", "подписка"),
    "theirs": ("there", "там"),
}
"""What is written down beside a case, and is called otherwise than its name."""

_COUNTED: Final[Mapping[str, tuple[str, str, str]]] = {
    "day": ("день", "дня", "дней"),
    "week": ("неделя", "недели", "недель"),
    "month": ("месяц", "месяца", "месяцев"),
    "year": ("год", "года", "лет"),
}
"""Beside one, beside two, beside five of them."""


def counted_in_russian(number: int, unit: str) -> str:
    """`2 года`, `5 лет`."""
    one, two, five = _COUNTED[unit]
    few = {1: one, 2: two, 3: two, 4: two}
    return f"{number} {five if number % 100 in range(11, 15) else few.get(number % 10, five)}"
