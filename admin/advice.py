"""What a case means for money and people, and what to do about it, in English and in Russian.

The runbook in docs/operations.md says more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class Advice(NamedTuple):
    english: str
    russian: str


_ASKED: Final = Advice(
    english=(
        "How it ended is not known yet, and nothing is charged or returned in its place meanwhile. The payment "
        "system is asked until it answers, and then the case closes itself. Look for it in the payment system's "
        "cabinet; if it is not there, write to their support."
    ),
    russian=(
        "Чем это кончилось, ещё не известно, и взамен ничего не списывается и не возвращается. Платёжную систему "
        "спрашивают, пока она не ответит, и тогда разбирательство закроется само. Найдите операцию в кабинете "
        "платёжной системы; если её там нет, напишите в поддержку платёжной системы."
    ),
)
_NOT_OURS: Final = Advice(
    english=(
        "The payment system's answer cannot be about our payment, so nothing of it was believed, and it is asked "
        "again. Compare both in the cabinet. If money was taken twice, return one payment there."
    ),
    russian=(
        "Ответ платёжной системы не может относиться к нашему платежу, поэтому ему не поверили и спросят снова. "
        "Сравните то и другое в кабинете. Если деньги списаны дважды, верните один платёж там."
    ),
)
_LATE: Final = Advice(
    english=(
        "The payment had ended, and then the payment system said something else. What stands in the books was not "
        "changed. Look in the cabinet which is true; money that came all the same is to be returned."
    ),
    russian=(
        "Платёж уже завершился, а потом платёжная система сообщила другое. Записанное не изменилось. Посмотрите в "
        "кабинете, что верно; деньги, которые всё же пришли, надо вернуть."
    ),
)
_REFUND_NOT_OURS: Final = Advice(
    english=(
        "The payment system's answer cannot be about our refund, so nothing of it was believed, and it is asked "
        "again. Compare both in the cabinet. If money was returned twice, do not return it again; settle it with "
        "their support."
    ),
    russian=(
        "Ответ платёжной системы не может относиться к нашему возврату, поэтому ему не поверили и спросят снова. "
        "Сравните то и другое в кабинете. Если деньги вернулись дважды, не возвращайте их снова; решите это с "
        "поддержкой платёжной системы."
    ),
)
_REFUND_LATE: Final = Advice(
    english=(
        "The refund had ended, and then the payment system said something else. What stands in the books was not "
        "changed. Look in the cabinet whether the money went back; if it did not, refund again on the payment's "
        "page."
    ),
    russian=(
        "Возврат уже завершился, а потом платёжная система сообщила другое. Записанное не изменилось. Посмотрите в "
        "кабинете, вернулись ли деньги; если нет, верните их ещё раз на странице платежа."
    ),
)
_FAILS: Final = Advice(
    english=(
        "The work fails again and again, is tried at growing intervals, and never given up. Mend the cause: the next "
        "try does the work and closes the case."
    ),
    russian=(
        "Работа раз за разом не удаётся; её повторяют всё реже, но не бросают. Устраните причину: следующая попытка "
        "сделает работу и закроет разбирательство."
    ),
)
_DIFFERS: Final = Advice(
    english=(
        "The payment system's list and our books differ. Look in the cabinet which is true. A refund is made on the "
        "payment's page, a charge is tried again on the subscription's; the case closes itself on the night that "
        "sees no difference."
    ),
    russian=(
        "Список платёжной системы и наши записи расходятся. Посмотрите в кабинете, что верно. Вернуть деньги можно "
        "на странице платежа, повторить списание — на странице подписки; разбирательство закроется само в ту ночь, "
        "когда расхождения не станет."
    ),
)

ADVICE: Final[Mapping[str, Advice]] = {
    **dict.fromkeys(("payment_unresolved", "refund_unresolved"), _ASKED),
    **dict.fromkeys(("payment_foreign", "payment_doubled", "payment_amount_differs"), _NOT_OURS),
    **dict.fromkeys(("refund_foreign", "refund_doubled", "refund_amount_differs"), _REFUND_NOT_OURS),
    "payment_late_news": _LATE,
    "refund_late_news": _REFUND_LATE,
    **dict.fromkeys(
        (
            *("renewal_stuck", "reminder_stuck", "ending_stuck"),
            *("payment_stuck", "refund_stuck", "notification_stuck"),
        ),
        _FAILS,
    ),
    **dict.fromkeys(
        (
            *("reconcile_unknown_here", "reconcile_unknown_there", "reconcile_amount_differs"),
            *("reconcile_state_differs", "reconcile_doubled", "reconcile_refunds_differ"),
            *("reconcile_refund_unknown_here", "reconcile_refund_unknown_there", "reconcile_refund_amount_differs"),
            *("reconcile_refund_state_differs", "reconcile_refund_doubled", "reconcile_refund_foreign"),
        ),
        _DIFFERS,
    ),
    "reconcile_unreadable": Advice(
        english=(
            "The payment system's list has something that does not say how it stands; all else was compared. Look at "
            "it in the cabinet."
        ),
        russian=(
            "Состояние одной из операций в списке платёжной системы прочитать не удалось; остальное сверено. "
            "Посмотрите на неё в кабинете."
        ),
    ),
    "payment_needs_capture": Advice(
        english=(
            "The money is held until somebody takes it, a week at most. Capture or cancel it in the cabinet; the "
            "case closes itself."
        ),
        russian=(
            "Деньги удерживаются, пока их не подтвердят, не дольше недели. Подтвердите или отмените платёж в "
            "кабинете; разбирательство закроется само."
        ),
    ),
    "payment_reason_unknown": Advice(
        english=(
            "The payment was refused for a reason that is new to the service. A renewal is not tried again: the "
            "person is asked to pay. Read what the payment system says about it."
        ),
        russian=(
            "В платеже отказано по причине, которой сервис не знает. Продление больше не повторяется: человека "
            "просят заплатить самому. Прочтите, что говорит о причине платёжная система."
        ),
    ),
    "payment_forbidden": Advice(
        english=(
            "The payment system says that this shop may not charge like that. Have it permitted by the shop's "
            "manager there, or payments go on being refused."
        ),
        russian=(
            "Платёжная система говорит, что этому магазину так списывать нельзя. Попросите менеджера платёжной "
            "системы разрешить это, иначе в платежах будет отказано и дальше."
        ),
    ),
    "refund_canceled": Advice(
        english=(
            "The payment system refused the refund, and the person still has not got the money. Read why, mend it, "
            "and refund again on the payment's page."
        ),
        russian=(
            "Платёжная система отказала в возврате, и деньги к человеку не вернулись. Узнайте почему, исправьте и "
            "верните ещё раз на странице платежа."
        ),
    ),
    "cabinet_refund_exceeds": Advice(
        english=(
            "More was returned in the payment system's cabinet than our books have left of the payment. Nothing was "
            "booked. Look there which refunds are real."
        ),
        russian=(
            "В кабинете платёжной системы вернули больше, чем по нашим записям осталось от платежа. Ничего не "
            "записано. Посмотрите там, какие возвраты настоящие."
        ),
    ),
    "paid_while_refunding": Advice(
        english=(
            "It was paid outside while a refund that ends the subscription is under way; it ends all the same. "
            "Return that money where it was paid, or arrange a new subscription with the person."
        ),
        russian=(
            "Заплатили вне системы, пока идёт возврат, который завершает подписку; она всё равно закончится. Верните "
            "эти деньги там, где их заплатили, или договоритесь с человеком о новой подписке."
        ),
    ),
    "subscription_stranded": Advice(
        english=(
            "Nothing will happen to this subscription by itself, though it has not ended. It is a defect, or a hand "
            "in the database: show it to a developer, and cancel it if it cannot be mended."
        ),
        russian=(
            "С этой подпиской ничего само не произойдёт, хотя она не закончилась. Это ошибка программы или правка "
            "базы руками: покажите разработчику; если исправить нельзя, отмените подписку."
        ),
    ),
    "renewal_overdue": Advice(
        english=(
            "Its period is over, and no charge has got through to the payment system. It is tried each day; the "
            "person was told nothing. Look whether the payment system works; the case closes itself."
        ),
        russian=(
            "Период закончился, а списание не доходит до платёжной системы. Его пробуют каждый день; человеку ничего "
            "не сообщали. Проверьте, работает ли платёжная система; разбирательство закроется само."
        ),
    ),
    "mail_undeliverable": Advice(
        english=(
            "We gave up on this mail, and not because of its address, so the person was not told. See what the mail "
            "server said, and write to the person if it matters."
        ),
        russian=(
            "Письмо не удалось отправить, и дело не в адресе: человеку ничего не сообщили. Посмотрите, что ответил "
            "почтовый сервер, и при необходимости напишите сами."
        ),
    ),
}
