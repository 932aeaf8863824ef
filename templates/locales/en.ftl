# What readers see on the giving pages and in the widget.
how-often = How often
once = Once
monthly = Monthly
annual = Annually
how-much = How much
other-amount = Another amount
currency = Currency
minimum-once = From { $amount }.
minimum-monthly = Monthly from { $amount }. You can cancel any time.
minimum-annual = Annually from { $amount }. You can cancel any time.
continue = Continue to payment
continue-once = Continue – { $amount } once
continue-monthly = Continue – { $amount } monthly
continue-annual = Continue – { $amount } a year
given-once = { $amount } once
given-monthly = { $amount } monthly
given-annual = { $amount } a year
cover-fee = Add { $cover } to cover the payment fee: { $total } in total
cover-fee-plain = Add the payment fee, so that the newsroom gets the whole amount
statement = Your bank statement will show: { $statement }
methods = Ways to pay
method-card = Card
method-apple_pay = Apple Pay
method-google_pay = Google Pay
method-sepa = SEPA direct debit
method-bank = Bank transfer
provider = You pay on a page of Stripe, our payment provider. We keep as little about you as we can.
policy = Privacy policy
lead = We are paid by readers and by nobody else. Whatever you give keeps the next story coming.
other-offer = Changed how often, or the currency?
show-offer = Show amounts to match

loading = Loading the form…
submitting = One moment…
redirecting = Taking you to the payment page…
check-gift = Please check your gift
error-required = Choose an amount, or write one.
error-malformed = Write the amount in figures, such as { $amount }.
error-too-small = The least is { $amount }.
error-too-large = The most is { $amount }.
error-too-fine = Amounts are multiples of { $amount }.
error-not-offered = This is not offered in this currency. Please choose something else.
error-other = Something about the form is not right. Please choose again.
offline = You seem to be offline. Your choice is kept: try again once you are connected.
server-error = That did not work. Nothing was charged, and your choice is kept.
try-again = Try again
rate-limited = { $count ->
    [one] There were too many tries just now. Nothing was charged. Please try again in { $n } minute.
   *[other] There were too many tries just now. Nothing was charged. Please try again in { $n } minutes.
}

thanks-title = Thank you – your gift was received
thanks-lead = It goes straight into reporting.
processing-title = Thank you – your payment is on its way
processing-lead = A bank debit takes a few days; you need not do anything.
waiting-title = Thank you – we are waiting for your payment to be confirmed
waiting-lead = This turns by itself; it usually takes seconds.
waiting-again = Look again
refused-title = Your gift was not received
refused-lead = Nothing more will be charged. You are welcome to try again.
returned-title = Thank you
returned-lead = Your support keeps this newsroom going.
cancelled-title = Nothing was charged
cancelled-lead = You left the payment page before paying. That is all right; your choice is one click away.
give-again = Back to the form
ended-title = This campaign has ended
ended-lead = Thank you to everybody who gave. You can still support us on our giving page.
upcoming-title = This campaign has not begun yet
upcoming-lead = Please come back a little later.

missing-title = There is nothing here
missing-lead = The address may be old: a gift can be looked at for a day after it was made.
unavailable-title = The payment page cannot be reached right now
unavailable-lead = Nothing was charged. Please try again in a minute.
limited-title = Too many tries just now
failed-title = That did not work
failed-lead = Nothing was charged. Please go back and try again.
to-giving-page = To the giving page

reminder-open = Not ready to support today? Remind me later
reminder-when = When shall we write?
reminder-next-month = Next month
reminder-on = On a date
reminder-payday = After payday
reminder-date = Date
reminder-day = Day of the month you are paid
email = E-mail address
email-wrong = Write an e-mail address, such as name@example.org.
date-wrong = Choose a date from tomorrow on.
day-wrong = Write a day of the month, from 1 to 31.
reminder-promise = { $count ->
    [one] We will write on { $date }, { $n } mail at most.
   *[other] We will write on { $date }, { $n } mails at most.
}
reminder-ask = Remind me
reminder-asked-title = One more step
reminder-asked-lead = We have sent you a mail. Confirm it, and we will write on { $date }.
newsletter-title = Our newsletter
newsletter-agree = Yes, send me the newsletter
newsletter-agree-wrong = Tick the box if you want the newsletter.
newsletter-preview = Look at an issue
newsletter-ask = Sign up
newsletter-asked-title = One more step
newsletter-asked-lead = We have sent you a mail. Confirm it, and the newsletter is on its way.

# What the links in mails lead to.
reminder-confirm-title = Shall we remind you?
reminder-confirm-lead = Once you confirm, we will write on { $date }.
reminder-confirm = Yes, remind me
reminder-set-title = We will remind you
reminder-set-lead = We will write on { $date }. Nothing more is needed.
reminder-done-title = There is no reminder any more
reminder-done-lead = We will not write, and your address is deleted.
reminder-in-1 = A month from now instead
reminder-in-3 = Three months from now instead
reminder-in-6 = Half a year from now instead
reminder-in-12 = A year from now instead
reminder-cancel = Do not remind me
never-again = Never ask this address again
never-title = We will never ask again
never-lead = No mail of this kind will come to your address, whoever asks for it.
newsletter-confirm-title = Do you want the newsletter?
newsletter-confirm-lead = Once you confirm, it is on its way.
newsletter-confirm = Yes, send it to me
newsletter-set-title = You get the newsletter
newsletter-set-lead = You can stop it here at any time.
newsletter-done-title = You do not get the newsletter
newsletter-done-lead = No issue will come any more, and your address is deleted.
newsletter-unsubscribe = Stop the newsletter
link-missing-lead = The link may be incomplete. Copy it from the mail as a whole.
link-unavailable-lead = This cannot be done right now. Please try again in a minute.
link-failed-lead = Please go back and try again.

# What mails say.
mail-confirm-reminder-subject = Please confirm your reminder: { $campaign }
mail-confirm-reminder-lead = You asked us to remind you to support { $campaign }. Please confirm it; until then we send nothing more.
mail-confirm-reminder-promise = { $count ->
    [one] Once confirmed, we write to you one time, on { $date }.
   *[other] Once confirmed, we write to you at most { $n } times, first on { $date }.
}
mail-confirm-reminder-stop = Every mail has a link that stops the reminder.
mail-confirm-reminder-do = Confirm the reminder
mail-confirm-reason = You get this mail because this address was entered on our page on { $date }. If that was not you, do nothing.
mail-never = Never ask this address again
mail-reminder-subject = You asked us to remind you: { $campaign }
mail-reminder-lead = You asked us on { $date } to remind you to support { $campaign }. Here we are.
mail-reminder-chosen = You had chosen: { $given }.
mail-reminder-do = Open the giving page
mail-reminder-manage = Move or stop the reminder
mail-reminder-unsubscribe = No more mails like this
mail-reminder-reason = You get this mail because you asked us on { $date } to remind you.
mail-confirm-newsletter-subject = Please confirm your subscription: { $list }
mail-confirm-newsletter-lead = You asked us to send you “{ $list }”. Please confirm it; until then we send nothing more.
mail-confirm-newsletter-do = Confirm the subscription
mail-welcome-subject = Welcome to { $list }
mail-welcome-lead = Thank you for confirming. From now on “{ $list }” comes to this address.
mail-welcome-preview = Look at an issue
mail-welcome-unsubscribe = Unsubscribe
mail-welcome-reason = You get this mail because you asked us on { $date } for “{ $list }”.
mail-thanks-subject = Thank you for your support: { $campaign }
mail-thanks-lead = Thank you for supporting { $campaign }. This is your receipt.
mail-receipt-subject = Receipt for { $amount }: { $campaign }
mail-receipt-lead = Thank you for your lasting support of { $campaign }. This is your receipt.
mail-line-given = You gave: { $given }
mail-line-paid = Paid on: { $date }
mail-line-next = Next payment on: { $date }
mail-line-statement = Your bank statement shows: { $statement }
mail-stop = Change or stop your support
mail-gave-reason = You get this mail because you gave to { $campaign } on { $date }.
mail-supporter-reason = You get this mail because of your support of { $campaign }.
mail-failed-subject = Your payment did not go through: { $campaign }
mail-failed-lead = We could not collect your support of { $campaign }: { $given }.
mail-failed-why = { $reason ->
    [insufficient_funds] Your bank says that there was not enough money on the account.
    [expired_card] Your bank says that the card has expired.
    [authentication_needed] Your bank wants you to confirm the payment.
    [declined] Your bank declined the payment without saying why.
   *[other] The payment was not made.
}
mail-failed-next = We try again on { $date }. You need not do anything if the reason is gone by then.
mail-failed-do = Pay now or use another card
mail-ended-subject = Your support has ended: { $campaign }
mail-ended-lead = Your support of { $campaign } ended on { $date }: { $given }.
mail-ended-why = { $why ->
    [by_donor] You stopped it. Nothing more will be charged.
    [by_newsroom] We stopped it. Nothing more will be charged.
    [asked] It was stopped, as was asked for. Nothing more will be charged.
    [unpaid] The last payments did not go through. Nothing more will be charged.
    [disputed] A payment was disputed at the bank, so it was stopped. Nothing more will be charged.
   *[other] Nothing more will be charged.
}
mail-ended-thanks = Thank you for all you gave.
mail-renewal-subject = Your annual support renews on { $date }: { $campaign }
mail-renewal-lead = On { $date } we charge { $amount } for another year of your support of { $campaign }.
mail-renewal-choice = You need not do anything. If you want to change or stop it, do so before that day.
mail-renewal-answer = To change or stop it, answer this mail.
mail-refund-subject = Your refund of { $amount }: { $campaign }
mail-refund-lead = On { $date } we sent back { $amount } that you had given to { $campaign }.
mail-refund-wait = It may take up to ten days until your bank shows it.
mail-test-subject = A test mail
mail-test-lead = Mail from Mainstay reaches you.
admin-skip = To the content
admin-navigation = Pages of the newsroom
admin-test-band = Mode
admin-test-mode = No real money moves here.
admin-sign-out = Sign out
admin-back = To the start
admin-dashboard = Dashboard
admin-missing-title = There is nothing here
admin-missing-lead = The address is wrong, or what it led to is gone.
admin-forbidden-title = This is not for you
admin-forbidden-lead = Your role does not allow it. Ask an admin of your newsroom.
admin-slow-title = Too many tries
admin-slow-lead = Wait a few minutes and try again.
admin-failed-title = That did not work
admin-failed-lead = Something went wrong on our side, and nothing was changed. Try again in a minute.
admin-wrong-title = That was not understood
admin-wrong-lead = Nothing was changed. Go back and try again.
admin-no-key-title = Nobody can sign in here yet
admin-no-key-lead = These pages need a key of their own. Set it in mainstay.env, as “mainstay init” writes it into a new file, and start the server again.
admin-sign-in = Sign in
admin-sign-in-wrong = The address, the password or the code is wrong.
admin-email = E-mail address
admin-password = Password
admin-code = One-time code
admin-code-hint = From your authenticator, or a recovery code. Leave it empty if you have set none up.
admin-first-title = The first admin
admin-first-lead = Nobody can sign in yet. Whoever does now will decide who else may.
admin-link-title = Set a password
admin-link-lead = Choose the password by which you sign in from now on.
admin-link-over-title = This link is over
admin-link-over-lead = It was used, replaced, or is older than a day. Ask an admin of your newsroom for a new one.
admin-new-password = New password
admin-password-rule = At least 12 characters. Four words that have nothing to do with each other are good.
admin-password-again = The same again
admin-set-password = Set the password
admin-password-differs = The two passwords are not the same.
admin-password-short = The password is too short: at least 12 characters.
admin-password-long = The password is too long: at most 256 characters.
admin-password-obvious = That password is easy to guess. Choose another one.
admin-wrong-address = That is not an e-mail address.
admin-me = My access
admin-role-viewer = Viewer: reads reports
admin-role-finance = Finance: also refunds and exports
admin-role-admin = Admin: also decides who may sign in
admin-totp-title = One-time codes
admin-totp-on = One-time codes are set up: signing in asks for one.
admin-totp-required = Your newsroom wants everybody to have them. Set them up to go on.
admin-totp-lead = An authenticator on your telephone shows a new code every 30 seconds. With it, a stolen password is not enough to sign in.
admin-totp-begin = Set up one-time codes
admin-totp-scan = Scan this picture with an authenticator.
admin-totp-qr = QR code with the secret that is written below
admin-totp-type = Or type this secret into it:
admin-totp-open = Open it in an authenticator on this device
admin-totp-code = The code that it shows now
admin-totp-confirm = Confirm
admin-totp-wrong = That code is wrong. Wait for the next one and type that.
admin-recovery-title = Recovery codes
admin-recovery-lead = Keep these where your telephone is not. Each signs you in once in place of a one-time code. They are not shown again.
admin-recovery-kept = I have kept them
admin-sessions-title = Sessions
admin-sessions-lead = You are signed out automatically after eight hours without a visit, and after a day.
admin-sign-out-everywhere = Sign out everywhere
admin-people = People
admin-people-lead = Who may sign in, and to do what
admin-role = Role
admin-role-of = Role of { $email }
admin-state = State
admin-state-enabled = Can sign in
admin-state-invited = Has not followed the link yet
admin-state-disabled = Cannot sign in
admin-has-totp = With one-time codes
admin-changes = Changes
admin-change = Change
admin-enable = Let in again
admin-disable = Shut out
admin-new-link = New link
admin-reset-totp = Reset one-time codes
admin-new-person = Somebody new
admin-create = Make a link
admin-link-for = Hand this link to { $email } by a safe way. It can be used once, within a day, and is not shown again.
admin-person-exists = There is somebody of this address already.
admin-last-admin = Nobody would be left who can let others in, so nothing was changed.
admin-audit-log = Audit log
admin-audit-lead = Who did what, and when. Nothing is ever changed or removed here.
admin-audit-at = When
admin-audit-actor = Who
admin-audit-action = What
admin-audit-subject = To whom or what
admin-audit-change = Before and after
admin-older = Older
