"""The panel's wording in Russian, by its English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

RUSSIAN: Final[Mapping[str, str]] = {
    # names
    "Cinema billing": "Биллинг кинотеатра",
    "What is to be looked at": "Требует внимания",
    "Rooms": "Разделы",
    "users": "пользователи",
    "plan": "тариф",
    "plans": "тарифы",
    "payment system": "платёжная система",
    "payment systems": "платёжные системы",
    "subscription": "подписка",
    "subscriptions": "подписки",
    "payment": "платёж",
    "payments": "платежи",
    "refund": "возврат",
    "refunds": "возвраты",
    "event": "событие",
    "events": "события",
    "case": "разбирательство",
    "cases": "разбирательства",
    "mail": "письмо",
    "mails": "письма",
    "Payment": "Платёж",
    "Refund": "Возврат",
    # what stands above columns and values
    "e-mail": "почта",
    "name": "имя",
    "language": "язык",
    "time zone": "часовой пояс",
    "known since": "известен с",
    "personal data erased": "персональные данные удалены",
    "code": "код",
    "description": "описание",
    "trial days": "пробных дней",
    "for sale": "продаётся",
    "not for sale": "не продаётся",
    "archived": "в архиве",
    "created": "создано",
    "ended": "закончилась",
    "why it was canceled": "почему отменена",
    "settled": "завершено",
    "sent": "отправлено",
    "opened": "открыто",
    "resolved": "решено",
    "open": "открыто",
    "all": "все",
    "status": "состояние",
    "kind": "вид",
    "amount": "сумма",
    "price": "цена",
    "period": "период",
    "valid from": "действует с",
    "returned": "возвращено",
    "can still be refunded": "можно вернуть",
    "reason": "причина",
    "asked by": "кто запросил",
    "id": "номер",
    "id at the payment system": "номер в платёжной системе",
    "payment method": "способ оплаты",
    "method": "способ оплаты",
    "payment page": "страница оплаты",
    "period until": "период до",
    "next charge": "следующее списание",
    "sum of the next charge": "сумма следующего списания",
    "next plan": "следующий тариф",
    "refused tries": "отказов подряд",
    "refused because": "причина отказа",
    "credit": "зачтено",
    "will end": "закончится",
    "ends the subscription": "завершает подписку",
    "paid outside": "оплачено вне системы",
    "last silence": "последний раз без ответа",
    "asked again": "спросим снова",
    "when": "когда",
    "what": "что",
    "by": "кто",
    "in detail": "подробно",
    "about": "о чём",
    "what was found": "что найдено",
    "what to do": "что делать",
    "times seen": "сколько раз",
    "resolution": "решение",
    "request": "запрос",
    "tells": "сообщает",
    "tries": "попыток",
    "last error": "последняя ошибка",
    "adapter": "адаптер",
    "enabled": "включена",
    "switched off": "выключена",
    "was paid through": "через неё платили",
    "settings": "настройки",
    "sealed, never shown": "запечатаны, не показываются",
    "saved": "сохранён",
    "removed": "удалён",
    "yes": "да",
    "no": "нет",
    "from": "от",
    "to": "до",
    # tables of a page
    "Payments": "Платежи",
    "Refunds": "Возвраты",
    "Subscriptions": "Подписки",
    "Cases": "Разбирательства",
    "History": "История",
    "Prices": "Цены",
    "Payment methods": "Способы оплаты",
    "All of them": "Показать все",
    "Nothing was paid yet.": "Платежей ещё не было.",
    "Nothing was returned.": "Возвратов не было.",
    "No subscription yet: make a payment link for one.": "Подписок ещё нет: создайте ссылку на оплату.",
    "No payment method is saved.": "Сохранённых способов оплаты нет.",
    "Nothing has happened yet.": "Ещё ничего не произошло.",
    "There is no price yet.": "Цены ещё нет.",
    "Nothing about it waits for a person.": "Разбирать нечего.",
    # lists
    "Add": "Добавить",
    "Find": "Найти",
    "Found": "Найдено",
    "more than a thousand": "больше тысячи",
    "Pages": "Страницы",
    "Find a user": "Найти пользователя",
    "Show": "Показать",
    "Only the first thousand are shown; narrow the list by a search or a filter to see others.": (
        "Показана только первая тысяча; чтобы увидеть другие, сузьте список поиском или фильтром."
    ),
    "E-mail, name, or the id of a user, subscription, payment or refund": (
        "Почта, имя или номер пользователя, подписки, платежа, возврата"
    ),
    "Id, e-mail or name of a user": "Номер, почта или имя пользователя",
    "Id here or at the payment system, reference, e-mail, name, id of a user or subscription": (
        "Номер у нас или в платёжной системе, внешний номер, почта, имя, номер пользователя или подписки"
    ),
    "Id here or at the payment system, id of the payment, e-mail, name": (
        "Номер у нас или в платёжной системе, номер платежа, почта, имя"
    ),
    "Id of a subscription, payment or user; e-mail or name": "Номер подписки, платежа, пользователя; почта или имя",
    "Kind, what it is about, id of a payment or refund": "Вид, о чём, номер платежа или возврата",
    "Nobody found. Search by the beginning of an e-mail, a part of a name, or an id.": (
        "Никого не нашлось. Ищите по началу почты, части имени или номеру."
    ),
    "No subscription found: remove a filter, or search by the user's e-mail.": (
        "Подписок не нашлось: снимите фильтр или ищите по почте пользователя."
    ),
    "No payment found: remove a filter, or search by the user's e-mail.": (
        "Платежей не нашлось: снимите фильтр или ищите по почте пользователя."
    ),
    "No refund found: remove a filter. A payment is returned on its own page.": (
        "Возвратов не нашлось: снимите фильтр. Вернуть платёж можно на его странице."
    ),
    "No mail found: search by the user's e-mail.": "Писем не нашлось: ищите по почте пользователя.",
    "Nothing found: search by the user's id or e-mail.": "Ничего не нашлось: ищите по номеру или почте пользователя.",
    "Nothing waits for a person.": "Разбирать нечего.",
    "Nothing found: remove a filter, or search for something else.": (
        "Ничего не нашлось: снимите фильтр или поищите другое."
    ),
    "There is no plan yet: add the first one, and people can subscribe to it.": (
        "Тарифов ещё нет: добавьте первый, и на него можно будет подписаться."
    ),
    "There is no payment system yet: add one, and people can pay through it.": (
        "Платёжных систем ещё нет: добавьте первую, и через неё можно будет платить."
    ),
    # first page
    "open cases": "открытых разбирательств",
    "payments whose outcome is unknown": "платежей с неизвестным исходом",
    "Accounts of administrators": "Учётные записи администраторов",
    "Your account has no role yet: ask an administrator to give you one.": (
        "У вашей учётной записи ещё нет роли: попросите администратора её дать."
    ),
    # plans
    "Add a plan": "Добавить тариф",
    "Edit the plan": "Изменить тариф",
    "Delete the plan": "Удалить тариф",
    "Edit": "Изменить",
    "Delete": "Удалить",
    "A plan that nobody ever had is deleted. One that is in use is archived: nobody new can choose it, "
    "and those who have it are renewed as before.": (
        "Тариф, которого ни у кого не было, удаляется. Используемый уходит в архив: новые люди его не выберут, "
        "а у нынешних он продлевается как прежде."
    ),
    "The plan was added": "Тариф добавлен",
    "The plan was changed": "Тариф изменён",
    "The plan was deleted": "Тариф удалён",
    "The plan was archived, for it is in use": "Тариф убран в архив: он используется",
    "Price, ₽": "Цена, ₽",
    "It holds at once for new subscriptions; running ones pay it from their next renewal on.": (
        "Для новых подписок действует сразу, для действующих — со следующего продления."
    ),
    "Code": "Код",
    "Latin letters, digits, dots, dashes, underscores. It is what the site names; it stays for ever.": (
        "Латинские буквы, цифры, точки, дефисы, подчёркивания. По этому коду тариф находит сайт; изменить потом нельзя."
    ),
    "Name": "Название",
    "Length of the period": "Длина периода",
    "Unit of the period": "Единица периода",
    "Trial days": "Пробных дней",
    "It brings back what is in the archive.": "Возвращает из архива.",
    "Description": "Описание",
    "For sale": "Продаётся",
    # payment systems
    "Add a payment system": "Добавить платёжную систему",
    "Edit the payment system": "Изменить платёжную систему",
    "Delete the payment system": "Удалить платёжную систему",
    "One that nobody ever paid through is deleted. One that was used is archived: nobody new can choose it, "
    "and renewals through it go on.": (
        "Та, через которую не платили, удаляется. Использованная уходит в архив: новые люди её не выберут, "
        "а продления через неё идут дальше."
    ),
    "The payment system was added": "Платёжная система добавлена",
    "The payment system was changed": "Платёжная система изменена",
    "The payment system was deleted": "Платёжная система удалена",
    "The payment system was archived, for it was paid through": "Платёжная система убрана в архив: через неё платили",
    "Address of its API": "Адрес API",
    "Shop": "Магазин",
    "Secret key": "Секретный ключ",
    "It is sealed and never shown again. Left empty, what is kept stays as it is; with a new address it has to "
    "be given again.": (
        "Запечатывается и больше не показывается. Пустое поле оставит прежнее значение; "
        "с новым адресом ключ нужно ввести заново."
    ),
    "Adapter": "Адаптер",
    "Enabled": "Включена",
    "imitation, for trying out": "имитация, для пробных платежей",
    # payments and refunds
    "Refund the payment": "Вернуть платёж",
    "Refund the money": "Вернуть деньги",
    "Amount, ₽": "Сумма, ₽",
    "Left empty: all that is left of the payment. If that is the payment for the current period, "
    "the subscription ends.": (
        "Пустое поле — вернуть всё, что осталось от платежа. Если это платёж за текущий период, подписка закончится."
    ),
    "Reason": "Причина",
    "The refund is on its way": "Возврат отправлен",
    "Back": "Назад",
    # subscriptions
    "Cancel the subscription": "Отменить подписку",
    "No money is returned by it: that is a refund of its payment.": (
        "Деньги этим не возвращаются: для этого есть возврат платежа."
    ),
    "When": "Когда",
    "at the end of the paid period": "в конце оплаченного периода",
    "now, and access ends at once": "сейчас, доступ закончится сразу",
    "The subscription was canceled": "Подписка отменена",
    "The subscription will end with its period": "Подписка закончится вместе с периодом",
    "Charge now": "Списать сейчас",
    "The saved payment method is charged for the next period, at the price that holds now. "
    "If it is refused, the planned tries are made as before.": (
        "С сохранённого способа оплаты спишется следующий период по нынешней цене. "
        "Если банк откажет, запланированные попытки остаются как были."
    ),
    "It was charged.": "Списано.",
    "It was renewed from credit; nothing was charged.": "Продлено за счёт зачтённого; ничего не списано.",
    "The charge was refused; its payment says why.": "В списании отказано; причина — в платеже.",
    "The charge is under way.": "Списание идёт.",
    "The payment system has not answered yet; it is asked until it does.": (
        "Платёжная система ещё не ответила; её спрашивают, пока не ответит."
    ),
    # payment links
    "Payment link": "Ссылка на оплату",
    "Plan": "Тариф",
    "Payment system": "Платёжная система",
    "A payment link for a new subscription": "Ссылка на оплату новой подписки",
    "A payment link for this subscription": "Ссылка на оплату этой подписки",
    "The subscription begins when the link was paid, at the price that holds now.": (
        "Подписка начнётся, когда по ссылке заплатят, по нынешней цене."
    ),
    "Where the payment page leads back to": "Куда вернёт страница оплаты",
    "The link to pay, to be sent to the user": "Ссылка на оплату, отправьте её пользователю",
    "The payment system has not answered yet: the link will stand on the payment's page.": (
        "Платёжная система ещё не ответила: ссылка появится на странице платежа."
    ),
    # money from outside
    "A payment made outside": "Внешняя оплата",
    "Record a payment made outside": "Записать внешнюю оплату",
    "A refund made outside": "Внешний возврат",
    "Record a refund made outside": "Записать внешний возврат",
    "What an app store or a bank was paid for this subscription counts as its payment.": (
        "Что заплатили за эту подписку в магазине приложений или банке, засчитывается как её платёж."
    ),
    "What an app store or a bank has returned of a payment that was written down here.": (
        "Что магазин приложений или банк вернул из записанного здесь платежа."
    ),
    "When, by your clock": "Когда, по вашим часам",
    "Source": "Источник",
    "Such as appstore, or a bank's name": "Например, appstore или название банка",
    "Reference": "Номер",
    "Its number there: the same one is booked once": "Номер там: один и тот же записывается один раз",
    "Reference of the payment": "Номер платежа там",
    "There is no such instant.": "Такого момента нет.",
    "It was written down": "Записано",
    "It was written down before": "Это уже было записано",
    # cases
    "Resolve the case": "Закрыть разбирательство",
    "Resolve": "Закрыть",
    "Closing takes it out of the queue and changes nothing in the books. Refund first on the payment's page, "
    "or charge on the subscription's.": (
        "Оно уйдёт из очереди, в записях ничего не изменится. Сначала верните деньги на странице платежа "
        "или спишите их на странице подписки."
    ),
    "What was found and done": "Что найдено и сделано",
    "The case was resolved": "Разбирательство закрыто",
    # trouble
    "It is not there, or not any more.": "Такой записи нет или уже нет.",
    "No answer came, so it may have been done or not. Send this form again as it is: "
    "it is done once, however often you send it.": (
        "Ответ не получен: неизвестно, выполнено ли действие. Отправьте эту форму ещё раз без изменений: "
        "сколько ни отправляйте, оно выполнится один раз."
    ),
    "That is too broad": "Слишком широко",
    "The search would take too long. Narrow it: by an id, an e-mail, or a span of days.": (
        "Поиск занял бы слишком долго. Сузьте его: номером, почтой или промежутком дней."
    ),
    "The database does not answer": "База данных не отвечает",
    "Nothing was changed by this page. Try again in a minute.": (
        "Эта страница ничего не изменила. Попробуйте через минуту."
    ),
    "To the first page": "На главную",
    "The service says": "Сервис отвечает",
    "There is one with this code already. Choose another code.": "Такой код уже занят. Выберите другой.",
    "It is not there any more. Somebody may have deleted it.": "Этого больше нет. Возможно, кто-то удалил.",
    "This plan is not for sale.": "Этот тариф не продаётся.",
    "This user has a subscription to this plan that has not ended.": (
        "У пользователя уже есть незавершённая подписка на этот тариф."
    ),
    "This user's personal data was erased: nothing is sold to them any more.": (
        "Персональные данные пользователя удалены: ему больше ничего не продаётся."
    ),
    "A payment of this subscription has not ended yet. Wait for its outcome.": (
        "Платёж этой подписки ещё не завершён. Дождитесь его исхода."
    ),
    "There is nothing to pay for this subscription now.": "За эту подписку сейчас нечего платить.",
    "Nothing of this subscription is due, or there is no payment method to charge.": (
        "Срок списания не наступил, или списывать не с чего."
    ),
    "There is nothing left to return of this payment.": "От этого платежа нечего возвращать.",
    "A refund of this payment is under way. Wait for its outcome.": (
        "Возврат этого платежа уже идёт. Дождитесь его исхода."
    ),
    "That is more than is left of this payment.": "Это больше, чем осталось от платежа.",
    "It cannot be canceled that way: it has ended, or has not begun.": (
        "Так отменить нельзя: подписка закончилась или ещё не началась."
    ),
    "The payment system is switched off, archived or unknown.": "Платёжная система выключена, в архиве или неизвестна.",
    "This source and reference were recorded already, with other content.": (
        "Этот источник и номер уже записаны, с другим содержанием."
    ),
    "The case was closed before, by somebody or by itself.": "Разбирательство уже закрыто, кем-то или автоматически.",
    "This form was sent before with other content, which was done. Look before you repeat.": (
        "Эта форма уже была отправлена с другим содержанием, и то исполнено. Посмотрите, прежде чем повторять."
    ),
    "The service does not know the panel: its token has expired or is wrong (BILLING_ADMIN_API_TOKEN).": (
        "Сервис не узнаёт панель: её токен истёк или неверен (BILLING_ADMIN_API_TOKEN)."
    ),
    "The panel's token does not permit this: it needs the scope billing:admin (BILLING_ADMIN_API_TOKEN).": (
        "Токен панели этого не разрешает: нужен scope billing:admin (BILLING_ADMIN_API_TOKEN)."
    ),
    "It is not known whether what you sent was done. Look before you send it again.": (
        "Неизвестно, исполнено ли отправленное. Проверьте, прежде чем отправлять снова."
    ),
}
