"""Why a charge was canceled, told so that a person knows what to do. Reasons are YooKassa's documented ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Explanation:
    """`what` went wrong and what is there `to_do`, a sentence each."""

    what: str
    to_do: str


def explain(reason: object, locale: str) -> Explanation:
    """Any reason, also one that nobody here has met, or none."""
    words = _WORDS[locale]
    return words.get(reason, words[""]) if isinstance(reason, str) else words[""]


_RU_CARD = "Оплатите другой картой или другим способом."
_EN_CARD = "Pay with another card or method."

_RU: Final = {
    "": ("Банк или платёжная система отклонили платёж.", "Попробуйте ещё раз или оплатите другой картой."),
    "insufficient_funds": ("На карте не хватило денег.", "Пополните карту или оплатите другой."),
    "issuer_unavailable": ("Банк, выпустивший карту, не ответил.", "Попробуйте позже или оплатите другой картой."),
    "payment_method_limit_exceeded": (
        "Исчерпан лимит платежей по карте.",
        "Попробуйте завтра, поднимите лимит в приложении банка или оплатите другой картой.",
    ),
    "internal_timeout": ("Платёжная система не успела провести платёж.", "Попробуйте ещё раз."),
    "general_decline": (
        "Банк отклонил платёж и не назвал причину.",
        "Узнайте причину в банке или оплатите другой картой.",
    ),
    "call_issuer": ("Банк отклонил платёж.", "Позвоните в банк, выпустивший карту, или оплатите другой картой."),
    "card_expired": ("Срок действия карты истёк.", _RU_CARD),
    "country_forbidden": ("Картой, выпущенной в этой стране, оплатить нельзя.", _RU_CARD),
    "fraud_suspected": ("Платёж показался банку подозрительным.", "Оплатите другой картой или свяжитесь с банком."),
    "invalid_card_number": ("Номер карты введён с ошибкой.", "Проверьте номер и оплатите ещё раз."),
    "invalid_csc": ("Код с обратной стороны карты введён с ошибкой.", "Проверьте код и оплатите ещё раз."),
    "payment_method_restricted": (
        "Операции по карте запрещены: возможно, она заблокирована.",
        "Свяжитесь с банком или оплатите другой картой.",
    ),
    "identification_required": (
        "Превышен лимит кошелька без идентификации.",
        "Пройдите идентификацию или оплатите другим способом.",
    ),
    "unsupported_mobile_operator": (
        "Оплатить со счёта этого мобильного оператора нельзя.",
        "Оплатите другим способом.",
    ),
    "permission_revoked": (
        "Разрешение на автоматические списания отозвано.",
        "Оплатите заново и подтвердите платёж: тогда подписка снова будет продлеваться сама.",
    ),
    "3d_secure_failed": (
        "Платёж не был подтверждён кодом банка.",
        "Оплатите ещё раз и введите код из сообщения банка.",
    ),
    "expired_on_confirmation": ("Платёж не был завершён вовремя.", "Начните оплату заново и доведите её до конца."),
    "canceled_by_merchant": (
        "Мы отменили этот платёж, деньги не списаны.",
        "Если подписка нужна, оплатите её любой картой.",
    ),
    "expired_on_capture": ("Платёж не был проведён вовремя, банк вернёт деньги.", "Оплатите ещё раз."),
    "deal_expired": ("Срок платежа истёк.", "Оплатите ещё раз."),
    "forbidden": (
        "Магазин пока не может принять такой платёж, деньги не списаны.",
        "Попробуйте позже: мы уже разбираемся.",
    ),
    "never_arrived": (
        "Платёж не дошёл до платёжной системы, деньги не списаны.",
        "Оплатите ещё раз: код с обратной стороны карты нужно ввести заново, мы его не храним.",
    ),
}
_EN: Final = {
    "": ("The bank or the payment system declined the payment.", "Try again, or pay with another card."),
    "insufficient_funds": ("There was not enough money on the card.", "Top the card up, or pay with another one."),
    "issuer_unavailable": ("The bank that issued the card did not answer.", "Try later, or pay with another card."),
    "payment_method_limit_exceeded": (
        "The card's limit of payments is used up.",
        "Try tomorrow, raise the limit in your bank's app, or pay with another card.",
    ),
    "internal_timeout": ("The payment system did not complete the payment in time.", "Try again."),
    "general_decline": (
        "The bank declined the payment and gave no reason.",
        "Ask your bank for the reason, or pay with another card.",
    ),
    "call_issuer": ("The bank declined the payment.", "Call the bank that issued the card, or pay with another one."),
    "card_expired": ("The card has expired.", _EN_CARD),
    "country_forbidden": ("Cards issued in this country can't be used here.", _EN_CARD),
    "fraud_suspected": ("The bank found the payment suspicious.", "Pay with another card, or contact your bank."),
    "invalid_card_number": ("The card number was mistyped.", "Check the number and pay again."),
    "invalid_csc": ("The code on the back of the card was mistyped.", "Check the code and pay again."),
    "payment_method_restricted": (
        "Operations with this card are not allowed; it may be blocked.",
        "Contact your bank, or pay with another card.",
    ),
    "identification_required": (
        "The wallet's limit without identification is exceeded.",
        "Identify yourself there, or pay in another way.",
    ),
    "unsupported_mobile_operator": ("This mobile operator can't be used for payment.", "Pay in another way."),
    "permission_revoked": (
        "The permission for automatic charges was withdrawn.",
        "Pay again and confirm it: then the subscription renews by itself once more.",
    ),
    "3d_secure_failed": (
        "The payment was not confirmed with the bank's code.",
        "Pay again and enter the code from your bank's message.",
    ),
    "expired_on_confirmation": ("The payment was not completed in time.", "Start the payment anew and complete it."),
    "canceled_by_merchant": (
        "We canceled this payment; nothing was charged.",
        "To keep the subscription, pay with any card.",
    ),
    "expired_on_capture": ("The payment was not completed in time; the bank returns the money.", "Pay again."),
    "deal_expired": ("The time for this payment is over.", "Pay again."),
    "forbidden": (
        "The shop cannot take this payment at the moment; nothing was charged.",
        "Try again later; we are looking into it.",
    ),
    "never_arrived": (
        "The payment did not reach the payment system; nothing was charged.",
        "Pay again, and enter the code on the back of the card anew: we do not keep it.",
    ),
}
_WORDS: Final = {
    locale: {reason: Explanation(*sentences) for reason, sentences in table.items()}
    for locale, table in (("ru", _RU), ("en", _EN))
}
