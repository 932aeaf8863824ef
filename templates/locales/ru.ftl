# Что видят читатели на страницах пожертвований и в форме на сайте.
how-often = Как часто
once = Один раз
monthly = Ежемесячно
annual = Раз в год
how-much = Сколько
other-amount = Другая сумма
currency = Валюта
minimum-once = От { $amount }.
minimum-monthly = Ежемесячно от { $amount }. Отменить можно в любой момент.
minimum-annual = Раз в год от { $amount }. Отменить можно в любой момент.
continue = Перейти к оплате
continue-once = Продолжить – { $amount } один раз
continue-monthly = Продолжить – { $amount } в месяц
continue-annual = Продолжить – { $amount } в год
given-once = { $amount } один раз
given-monthly = { $amount } в месяц
given-annual = { $amount } в год
cover-fee = Добавить { $cover } на комиссию платёжной системы: всего { $total }
cover-fee-plain = Добавить комиссию, чтобы редакция получила всю сумму
statement = В банковской выписке будет указано: { $statement }
methods = Способы оплаты
method-card = Карта
method-apple_pay = Apple Pay
method-google_pay = Google Pay
method-sepa = Прямой дебет SEPA
method-bank = Банковский перевод
provider = Оплата проходит на странице Stripe, нашей платёжной системы. Мы храним о вас как можно меньше.
policy = Политика конфиденциальности
lead = Нас содержат читатели и больше никто. Каждый перевод помогает выйти следующему материалу.
other-offer = Изменили частоту или валюту?
show-offer = Показать подходящие суммы

loading = Форма загружается…
submitting = Минутку…
redirecting = Открываем страницу оплаты…
check-gift = Проверьте, пожалуйста, форму
error-required = Выберите сумму или впишите свою.
error-malformed = Впишите сумму цифрами, например { $amount }.
error-too-small = Наименьшая сумма – { $amount }.
error-too-large = Наибольшая сумма – { $amount }.
error-too-fine = Сумма должна быть кратна { $amount }.
error-not-offered = В этой валюте так нельзя. Выберите, пожалуйста, другой вариант.
error-other = В форме что-то не так. Выберите, пожалуйста, ещё раз.
offline = Похоже, нет связи с интернетом. Ваш выбор сохранён: попробуйте снова, когда связь появится.
server-error = Не получилось. Деньги не списаны, ваш выбор сохранён.
try-again = Попробовать снова
rate-limited = { $count ->
    [one] Слишком много попыток подряд. Деньги не списаны. Попробуйте снова через { $n } минуту.
    [few] Слишком много попыток подряд. Деньги не списаны. Попробуйте снова через { $n } минуты.
   *[many] Слишком много попыток подряд. Деньги не списаны. Попробуйте снова через { $n } минут.
}

thanks-title = Спасибо, мы получили ваш перевод
thanks-lead = Эти деньги сразу пойдут на журналистику.
processing-title = Спасибо, ваш платёж в пути
processing-lead = Списание со счёта занимает несколько дней; делать ничего не нужно.
waiting-title = Спасибо, ждём подтверждения платежа
waiting-lead = Надпись сменится сама, обычно через несколько секунд.
waiting-again = Посмотреть ещё раз
refused-title = Мы не получили ваш перевод
refused-lead = Больше ничего списано не будет. Вы можете попробовать ещё раз.
returned-title = Спасибо
returned-lead = Редакция работает благодаря вашей поддержке.
cancelled-title = Деньги не списаны
cancelled-lead = Вы ушли со страницы оплаты, не заплатив. Ничего страшного: ваш выбор в одном клике отсюда.
give-again = Вернуться к форме
ended-title = Эта кампания завершена
ended-lead = Спасибо всем, кто поддержал. Нам по-прежнему можно помочь на странице пожертвований.
upcoming-title = Эта кампания ещё не началась
upcoming-lead = Загляните, пожалуйста, немного позже.

missing-title = Здесь ничего нет
missing-lead = Возможно, адрес устарел: посмотреть на перевод можно в течение суток.
unavailable-title = Страница оплаты сейчас недоступна
unavailable-lead = Деньги не списаны. Попробуйте, пожалуйста, через минуту.
limited-title = Слишком много попыток подряд
failed-title = Не получилось
failed-lead = Деньги не списаны. Вернитесь, пожалуйста, назад и попробуйте снова.
to-giving-page = На страницу пожертвований

reminder-open = Сегодня не готовы поддержать? Напомните мне позже
reminder-when = Когда вам написать?
reminder-next-month = Через месяц
reminder-on = В определённый день
reminder-payday = После зарплаты
reminder-date = Дата
reminder-day = Какого числа приходит зарплата
email = Адрес электронной почты
email-wrong = Впишите адрес почты, например name@example.org.
date-wrong = Выберите дату начиная с завтрашнего дня.
day-wrong = Впишите число месяца от 1 до 31.
reminder-promise = { $count ->
    [one] Мы напишем { $date }, не больше { $n } письма.
    [few] Мы напишем { $date }, не больше { $n } писем.
   *[many] Мы напишем { $date }, не больше { $n } писем.
}
reminder-ask = Напомнить
reminder-asked-title = Остался один шаг
reminder-asked-lead = Мы отправили вам письмо. Подтвердите его, и мы напишем { $date }.
newsletter-title = Наша рассылка
newsletter-agree = Да, присылайте мне рассылку
newsletter-agree-wrong = Отметьте галочкой, если хотите получать рассылку.
newsletter-preview = Посмотреть выпуск
newsletter-ask = Подписаться
newsletter-asked-title = Остался один шаг
newsletter-asked-lead = Мы отправили вам письмо. Подтвердите его, и рассылка начнёт приходить.

# What the links in mails lead to.
reminder-confirm-title = Напомнить вам?
reminder-confirm-lead = Подтвердите, и мы напишем { $date }.
reminder-confirm = Да, напомните мне
reminder-set-title = Мы вам напомним
reminder-set-lead = Мы напишем { $date }. Больше ничего делать не нужно.
reminder-done-title = Этого напоминания больше нет
reminder-done-lead = Мы не напишем, ваш адрес удалён.
reminder-in-1 = Лучше через месяц
reminder-in-3 = Лучше через три месяца
reminder-in-6 = Лучше через полгода
reminder-in-12 = Лучше через год
reminder-cancel = Не напоминать
never-again = Больше никогда не писать на этот адрес
never-title = Мы больше никогда не напишем
never-lead = На ваш адрес не придёт ни одного такого письма, кто бы его ни попросил.
newsletter-confirm-title = Хотите получать рассылку?
newsletter-confirm-lead = Подтвердите, и она начнёт приходить.
newsletter-confirm = Да, присылайте
newsletter-set-title = Вы получаете рассылку
newsletter-set-lead = Отказаться можно здесь в любое время.
newsletter-done-title = Вы не получаете рассылку
newsletter-done-lead = Выпуски больше не придут, ваш адрес удалён.
newsletter-unsubscribe = Отказаться от рассылки
link-missing-lead = Возможно, ссылка неполная. Скопируйте её из письма целиком.
link-unavailable-lead = Сейчас это не получается. Попробуйте через минуту.
link-failed-lead = Вернитесь назад и попробуйте ещё раз.

# Что говорится в письмах.
mail-confirm-reminder-subject = Подтвердите напоминание: { $campaign }
mail-confirm-reminder-lead = Вы попросили напомнить вам о поддержке «{ $campaign }». Подтвердите это, пожалуйста; без подтверждения мы больше ничего не пришлём.
mail-confirm-reminder-promise = { $count ->
    [one] После подтверждения мы напишем { $date }, всего { $n } письмо.
    [few] После подтверждения мы напишем { $date }, всего не больше { $n } писем.
   *[many] После подтверждения мы напишем { $date }, всего не больше { $n } писем.
}
mail-confirm-reminder-stop = В каждом письме есть ссылка, чтобы прекратить напоминания.
mail-confirm-reminder-do = Подтвердить напоминание
mail-confirm-reason = Вы получили это письмо, потому что { $date } этот адрес указали на нашей странице. Если это были не вы, ничего не делайте.
mail-never = Никогда больше не спрашивать этот адрес
mail-reminder-subject = Вы просили напомнить: { $campaign }
mail-reminder-lead = { $date } вы попросили напомнить вам о поддержке «{ $campaign }». Напоминаем.
mail-reminder-chosen = Вы выбрали: { $given }.
mail-reminder-do = Открыть страницу пожертвований
mail-reminder-manage = Перенести или отменить напоминание
mail-reminder-unsubscribe = Больше не присылать таких писем
mail-reminder-reason = Вы получили это письмо, потому что { $date } попросили нас напомнить.
mail-confirm-newsletter-subject = Подтвердите подписку: { $list }
mail-confirm-newsletter-lead = Вы попросили присылать вам рассылку «{ $list }». Подтвердите это, пожалуйста; без подтверждения мы больше ничего не пришлём.
mail-confirm-newsletter-do = Подтвердить подписку
mail-welcome-subject = Вы подписаны: { $list }
mail-welcome-lead = Спасибо за подтверждение. Рассылка «{ $list }» будет приходить на этот адрес.
mail-welcome-preview = Посмотреть выпуск
mail-welcome-unsubscribe = Отписаться
mail-welcome-reason = Вы получили это письмо, потому что { $date } подписались на «{ $list }».
mail-thanks-subject = Спасибо за поддержку: { $campaign }
mail-thanks-lead = Спасибо, что поддержали «{ $campaign }». Это подтверждение вашего платежа.
mail-receipt-subject = Платёж { $amount }: { $campaign }
mail-receipt-lead = Спасибо, что продолжаете поддерживать «{ $campaign }». Это подтверждение вашего платежа.
mail-line-given = Ваш перевод: { $given }
mail-line-paid = Дата платежа: { $date }
mail-line-next = Следующий платёж: { $date }
mail-line-statement = В банковской выписке будет: { $statement }
mail-stop = Изменить или прекратить поддержку
mail-gave-reason = Вы получили это письмо, потому что { $date } поддержали «{ $campaign }».
mail-supporter-reason = Вы получили это письмо в связи с вашей поддержкой «{ $campaign }».
mail-failed-subject = Платёж не прошёл: { $campaign }
mail-failed-lead = Нам не удалось получить ваш перевод для «{ $campaign }»: { $given }.
mail-failed-why = { $reason ->
    [insufficient_funds] Банк сообщил, что на счёте не хватило денег.
    [expired_card] Банк сообщил, что срок действия карты истёк.
    [authentication_needed] Банк просит, чтобы вы подтвердили платёж.
    [declined] Банк отклонил платёж, не назвав причины.
   *[other] Платёж не состоялся.
}
mail-failed-next = Мы попробуем ещё раз { $date } Если причина к тому времени исчезнет, делать ничего не нужно.
mail-failed-do = Заплатить сейчас или указать другую карту
mail-ended-subject = Ваша поддержка прекращена: { $campaign }
mail-ended-lead = { $date } ваша поддержка «{ $campaign }» прекратилась: { $given }.
mail-ended-why = { $why ->
    [by_donor] Вы её отменили. Больше ничего списано не будет.
    [by_newsroom] Её отменили мы. Больше ничего списано не будет.
    [asked] Её прекратили по просьбе. Больше ничего списано не будет.
    [unpaid] Последние платежи не прошли. Больше ничего списано не будет.
    [disputed] Платёж оспорили в банке, поэтому она прекращена. Больше ничего списано не будет.
   *[other] Больше ничего списано не будет.
}
mail-ended-thanks = Спасибо за всё, чем вы помогли.
mail-renewal-subject = { $date } продлится ваша годовая поддержка: { $campaign }
mail-renewal-lead = { $date } мы спишем { $amount }: это ещё один год поддержки «{ $campaign }».
mail-renewal-choice = Делать ничего не нужно. Если хотите что-то изменить или прекратить поддержку, сделайте это до этого дня.
mail-renewal-answer = Чтобы изменить или прекратить поддержку, ответьте на это письмо.
mail-refund-subject = Возврат { $amount }: { $campaign }
mail-refund-lead = { $date } мы вернули вам { $amount } из перевода для «{ $campaign }».
mail-refund-wait = Банк может показать их не сразу: иногда на это уходит до десяти дней.
mail-test-subject = Проверочное письмо
mail-test-lead = Почта от Mainstay до вас доходит.
admin-skip = К содержанию
admin-navigation = Страницы редакции
admin-test-band = Режим
admin-test-mode = Настоящие деньги здесь не переводятся.
admin-sign-out = Выйти
admin-back = К началу
admin-dashboard = Обзор
admin-missing-title = Здесь ничего нет
admin-missing-lead = Адрес неверен, или того, на что он указывал, больше нет.
admin-forbidden-title = Это не для вас
admin-forbidden-lead = Ваша роль этого не позволяет. Обратитесь к администратору редакции.
admin-slow-title = Слишком много попыток
admin-slow-lead = Подождите несколько минут и попробуйте снова.
admin-failed-title = Не получилось
admin-failed-lead = Что-то пошло не так на нашей стороне, и ничего не изменилось. Попробуйте через минуту.
admin-wrong-title = Запрос не понят
admin-wrong-lead = Ничего не изменилось. Вернитесь и попробуйте снова.
admin-no-key-title = Войти сюда пока нельзя
admin-no-key-lead = Этим страницам нужен собственный ключ. Задайте его в mainstay.env, как его записывает «mainstay init» в новый файл, и перезапустите сервер.
admin-sign-in = Войти
admin-sign-in-wrong = Неверны адрес, пароль или код.
admin-email = Адрес электронной почты
admin-password = Пароль
admin-code = Одноразовый код
admin-code-hint = Из приложения-аутентификатора или запасной код. Оставьте пустым, если вы его не настраивали.
admin-first-title = Первый администратор
admin-first-lead = Войти пока не может никто. Тот, кто войдёт сейчас, решит, кому ещё можно.
admin-link-title = Задайте пароль
admin-link-lead = Выберите пароль, с которым вы будете входить.
admin-link-over-title = Ссылка больше не действует
admin-link-over-lead = Её использовали, заменили, или ей больше суток. Попросите новую у администратора редакции.
admin-new-password = Новый пароль
admin-password-rule = Не меньше 12 знаков. Хороши четыре слова, никак не связанные между собой.
admin-password-again = Ещё раз
admin-set-password = Задать пароль
admin-password-differs = Пароли не совпадают.
admin-password-short = Пароль слишком короткий: нужно не меньше 12 знаков.
admin-password-long = Пароль слишком длинный: не больше 256 знаков.
admin-password-obvious = Этот пароль легко угадать. Выберите другой.
admin-wrong-address = Это не адрес электронной почты.
admin-me = Мой доступ
admin-role-viewer = Читатель: смотрит отчёты
admin-role-finance = Финансы: ещё и возвраты с выгрузками
admin-role-admin = Администратор: ещё и решает, кому входить
admin-totp-title = Одноразовые коды
admin-totp-on = Одноразовые коды настроены: при входе понадобится код.
admin-totp-required = Редакция просит настроить их всех. Настройте, чтобы продолжить.
admin-totp-lead = Приложение-аутентификатор в телефоне показывает новый код каждые 30 секунд. С ним украденного пароля мало, чтобы войти.
admin-totp-begin = Настроить одноразовые коды
admin-totp-scan = Отсканируйте картинку аутентификатором.
admin-totp-qr = QR-код с секретом, который записан ниже
admin-totp-type = Или введите в него этот секрет:
admin-totp-open = Открыть в аутентификаторе на этом устройстве
admin-totp-code = Код, который он показывает сейчас
admin-totp-confirm = Подтвердить
admin-totp-wrong = Код неверен. Дождитесь следующего и введите его.
admin-recovery-title = Запасные коды
admin-recovery-lead = Храните их отдельно от телефона. Каждый один раз заменит при входе одноразовый код. Больше их не покажут.
admin-recovery-kept = Я их сохранил(а)
admin-sessions-title = Сеансы
admin-sessions-lead = Сеанс заканчивается сам после восьми часов без посещений и через сутки.
admin-sign-out-everywhere = Выйти на всех устройствах
admin-people = Люди
admin-people-lead = Кто может войти и что ему можно
admin-role = Роль
admin-role-of = Роль: { $email }
admin-state = Состояние
admin-state-enabled = Может войти
admin-state-invited = Ещё не открыл(а) ссылку
admin-state-disabled = Не может войти
admin-has-totp = С одноразовыми кодами
admin-changes = Изменения
admin-change = Изменить
admin-enable = Впустить снова
admin-disable = Закрыть доступ
admin-new-link = Новая ссылка
admin-reset-totp = Сбросить одноразовые коды
admin-new-person = Новый человек
admin-create = Создать ссылку
admin-link-for = Передайте эту ссылку надёжным путём: { $email }. Она действует один раз, в течение суток, и больше её не покажут.
admin-person-exists = Человек с таким адресом уже есть.
admin-last-admin = Не осталось бы никого, кто может впустить других, поэтому ничего не изменилось.
admin-audit-log = Журнал действий
admin-audit-lead = Кто, что и когда сделал. Здесь ничего не меняют и не удаляют.
admin-audit-at = Когда
admin-audit-actor = Кто
admin-audit-action = Что
admin-audit-subject = С кем или с чем
admin-audit-change = До и после
admin-older = Раньше
