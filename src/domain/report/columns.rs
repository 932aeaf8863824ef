//! The columns of each report, with what each figure means. `docs/REPORTS.md` is held against these.

use super::query::{Name, Query, View};
use super::table::{Column, Kind};

const fn column(name: &'static str, kind: Kind, definition: &'static str) -> Column {
    Column { name, kind, definition }
}

const PERIOD: Column = column(
    "period",
    Kind::Text,
    "The period: a day, a week by its Monday, a month or a year, in the newsroom's time zone. What lies outside of `from` and `to` is not in it.",
);
const CURRENCY: Column =
    column("currency", Kind::Text, "The currency of every amount in the line. Currencies are never added together.");
const FREQUENCY: Column = column("frequency", Kind::Text, "How often the gift is given: once, monthly or annual.");
const CAMPAIGN: Column = column("campaign", Kind::Text, "The slug of the campaign the gift was begun in.");
const SOURCE: Column = column(
    "source",
    Kind::Text,
    "Where on the site the gift was begun; empty when that was not said, `other` beyond 200 sources of a campaign.",
);

const CHARGED: [Column; 6] = [
    column("count", Kind::Count, "How many payments succeeded, by when Stripe says their money came."),
    column(
        "gross",
        Kind::Money,
        "What those payments brought, with what donors added to cover fees, before anything is taken.",
    ),
    column(
        "refunds",
        Kind::Money,
        "What was given back in this period, of gifts of whatever time; a refund that failed is none.",
    ),
    column("disputes", Kind::Money, "What banks took back in this period, less what they returned in it."),
    column("fees", Kind::Money, "Not known in this view: fees are taken in the currency the account is settled in."),
    column("net", Kind::Money, "Gross less refunds and disputes. No fees are taken from it."),
];
const SETTLED: [Column; 6] = [
    column("count", Kind::Count, "How many charges Stripe booked."),
    column("gross", Kind::Money, "What those charges brought in the currency the account is settled in, before fees."),
    column(
        "refunds",
        Kind::Money,
        "What Stripe booked as given back, less what came back because it could not be given.",
    ),
    column("disputes", Kind::Money, "What Stripe booked as taken by disputes, less what they gave back."),
    column("fees", Kind::Money, "What Stripe kept of these bookings."),
    column("net", Kind::Money, "Gross less refunds, disputes and fees: what these bookings changed the balance by."),
];

const RECURRING: [Column; 30] = [
    column(
        "opening",
        Kind::People,
        "Supporters when the period began: monthly and annual gifts that ran. One runs from its first money until it ends, is paused, or Stripe stops trying to be paid; one that ends in its first second never ran. Who gives twice counts twice.",
    ),
    column(
        "opening_arr",
        Kind::Money,
        "What those bring in a year: a monthly gift twelve times, an annual one once, with what donors added to cover fees. Exact.",
    ),
    column(
        "new",
        Kind::People,
        "Gifts that began, of donors who had no recurring gift before or have another one running.",
    ),
    column("new_arr", Kind::Money, "What they bring in a year."),
    column(
        "reactivated",
        Kind::People,
        "Gifts that began or began again, of donors who had a recurring gift before and none running.",
    ),
    column("reactivated_arr", Kind::Money, "What they bring in a year."),
    column("resumed", Kind::People, "Gifts whose pause ended."),
    column("resumed_arr", Kind::Money, "What they bring in a year."),
    column("expanded", Kind::People, "Running gifts that were raised; each time counts."),
    column("expansion_arr", Kind::Money, "By how much a year."),
    column("contracted", Kind::People, "Running gifts that were lowered; each time counts."),
    column("contraction_arr", Kind::Money, "By how much a year; taken from the opening."),
    column("paused_now", Kind::People, "Gifts whose pause began."),
    column("paused_now_arr", Kind::Money, "What they brought in a year; taken from the opening."),
    column(
        "churn_asked",
        Kind::People,
        "Gifts that ended as their donor had asked, at the end of a period or on a day.",
    ),
    column("churn_asked_arr", Kind::Money, "What they brought in a year; taken from the opening."),
    column(
        "churn_failed_payment",
        Kind::People,
        "Gifts that ended after a payment had failed and not come in, or for which Stripe stopped trying.",
    ),
    column("churn_failed_payment_arr", Kind::Money, "What they brought in a year; taken from the opening."),
    column(
        "churn_disputed",
        Kind::People,
        "Gifts that ended within 90 days after a dispute took a payment of theirs back.",
    ),
    column("churn_disputed_arr", Kind::Money, "What they brought in a year; taken from the opening."),
    column(
        "churn_newsroom",
        Kind::People,
        "Gifts that ended at once with none of these before: donors cannot do that, so somebody of the newsroom did.",
    ),
    column("churn_newsroom_arr", Kind::Money, "What they brought in a year; taken from the opening."),
    column(
        "closing",
        Kind::People,
        "Supporters when the period ended: the opening, and those that are new, reactivated and resumed, less those that paused and ended.",
    ),
    column(
        "closing_arr",
        Kind::Money,
        "What those bring in a year (ARR): the opening and all movements together. Exact.",
    ),
    column(
        "closing_mrr",
        Kind::Money,
        "What those bring in a month (MRR): the ARR divided by twelve, rounded half-even to a minor unit. Only this is rounded, so such figures do not add up.",
    ),
    column("leaving", Kind::People, "Of those at the closing, the ones that will end because somebody asked for that."),
    column("leaving_arr", Kind::Money, "What they bring in a year."),
    column(
        "paused",
        Kind::People,
        "Gifts that are paused at the closing, apart from those that run. One that ends while it is paused is no churn: it left when its pause began.",
    ),
    column("paused_arr", Kind::Money, "What they would bring in a year."),
    column(
        "churn_rate",
        Kind::Rate,
        "Gifts that ended in the period, for whatever reason, divided by the opening; none where nothing ran then.",
    ),
];

const ONE_TIME: [Column; 4] = [
    column("count", Kind::People, "How many one-time gifts came in."),
    column(
        "sum",
        Kind::Money,
        "What they come to, with what donors added to cover fees; refunds and disputes are not taken from it.",
    ),
    column(
        "median",
        Kind::Money,
        "The gift in the middle; of two in the middle their mean, rounded half-even. None where there are no gifts.",
    ),
    column("mean", Kind::Money, "The sum divided by the count, rounded half-even. None where there are no gifts."),
];

const FAILED: [Column; 8] = [
    column(
        "failed",
        Kind::People,
        "Renewals of monthly and annual gifts whose first attempt failed in this period. What failed inside a checkout is not here.",
    ),
    column("failed_amount", Kind::Money, "What they were to bring."),
    column("recovered", Kind::People, "Those of them whose money came within 30 days of the first failure."),
    column("recovered_amount", Kind::Money, "What they brought."),
    column("waiting", Kind::People, "Those whose money has not come and whose 30 days are not over."),
    column("waiting_amount", Kind::Money, "What they were to bring."),
    column("lost", Kind::People, "Those whose money did not come within 30 days; some of it may have come later."),
    column("lost_amount", Kind::Money, "What they were to bring."),
];

const REMINDERS: [Column; 11] = [
    column("month", Kind::Text, "The month in which the reminder was asked for, in the newsroom's time zone."),
    column("component", Kind::Text, "Where on the site it was asked for; empty when that was not said."),
    column("campaign", Kind::Text, "The slug of the campaign it was asked for in."),
    column("signed_up", Kind::Count, "How many reminders were asked for."),
    column("confirmed", Kind::Count, "For how many the link of the confirming mail was followed."),
    column("due", Kind::Count, "For how many the day has come."),
    column("sent", Kind::Count, "Of how many the mail server took the last mail."),
    column("suppressed", Kind::Text, "How many were not sent, by why."),
    column("used", Kind::Count, "From how many of their links a gift was begun."),
    column(
        "gave_within_14_days",
        Kind::Count,
        "How many of those gifts brought money within 14 days of the mail. Nothing is known of who opened a mail.",
    ),
    column("amount", Kind::Text, "What those gave, by currency."),
];

const PAYOUTS: [Column; 9] = [
    column("made_on", Kind::Date, "The day Stripe made the payout, in the newsroom's time zone."),
    column("arrives_on", Kind::Date, "The day the bank has it, as Stripe says."),
    column("status", Kind::Text, "Stripe's word: pending, in_transit, paid, failed or canceled."),
    column("made_by", Kind::Text, "automatic: by Stripe's schedule; manual: by somebody."),
    column("currency", Kind::Text, "The currency of every amount in the line."),
    column("amount", Kind::Money, "What the bank gets."),
    column(
        "lines",
        Kind::Money,
        "The sum of the balance transactions in it; none while they were not read, and for a manual payout, of which Stripe does not tell them.",
    ),
    column("difference", Kind::Money, "The amount less the lines: 0, or something is to be looked into."),
    column("payout", Kind::Text, "Stripe's id of the payout."),
];

const STATEMENT: [Column; 9] = [
    column(
        "opening",
        Kind::Money,
        "The balance of the account at Stripe when the period began: the net of everything booked before.",
    ),
    column("gross", Kind::Money, "What gifts brought, before fees."),
    column("refunds", Kind::Money, "What was given back, less what came back because it could not be given; taken."),
    column("disputes", Kind::Money, "What disputes took, less what they gave back; taken."),
    column("fees", Kind::Money, "What Stripe kept of gifts, refunds and disputes; taken."),
    column("foreign", Kind::Money, "What other products on the same account brought, net."),
    column("account", Kind::Money, "Fees and corrections of the account itself, net."),
    column("payouts", Kind::Money, "What left for the bank, less what came back from it; taken."),
    column(
        "closing",
        Kind::Money,
        "The balance when the period ended: opening, gross, foreign and account, less refunds, disputes, fees and payouts.",
    ),
];

const PAYMENTS: [Column; 14] = [
    column("date", Kind::Date, "The day the money came, in the newsroom's time zone."),
    column("pledge", Kind::Text, "The id of the pledge it pays for."),
    column("payment", Kind::Text, "The id of the payment."),
    column("frequency", Kind::Text, "How often the gift is given: once, monthly or annual."),
    column("campaign", Kind::Text, "The slug of the campaign the gift was begun in."),
    column(
        "source",
        Kind::Text,
        "Where on the site the gift was begun; empty when that was not said, `other` beyond 200 sources of a campaign.",
    ),
    column("currency", Kind::Text, "The currency of the amount."),
    column("amount", Kind::Money, "What was charged, with what the donor added to cover fees."),
    column("settled_currency", Kind::Text, "The currency of booked, fee and net; none until Stripe has booked it."),
    column("booked", Kind::Money, "What Stripe booked of it, before its fee."),
    column("fee", Kind::Money, "What Stripe kept."),
    column("net", Kind::Money, "What is left."),
    column("paid_out_on", Kind::Date, "The day the bank has it, as Stripe says; none while it has not left."),
    column("payout", Kind::Text, "Stripe's id of the payout it left in."),
];

/// The columns of what is asked for, in the order of the cells.
pub fn of(query: &Query) -> Vec<Column> {
    let split = query.split;
    let about = || {
        let parted = [(split.frequency, FREQUENCY), (split.campaign, CAMPAIGN), (split.source, SOURCE)];
        let parted = parted.into_iter().filter(|(is, _)| *is).map(|(_, column)| column);
        split.period.map(|_| PERIOD).into_iter().chain([CURRENCY]).chain(parted).collect::<Vec<_>>()
    };
    match query.name {
        Name::Revenue => [about(), if query.view == View::Charge { CHARGED } else { SETTLED }.to_vec()].concat(),
        Name::Recurring => [about(), RECURRING.to_vec()].concat(),
        Name::OneTime => [about(), ONE_TIME.to_vec()].concat(),
        Name::Failed => [about(), FAILED.to_vec()].concat(),
        Name::Statement => [about(), STATEMENT.to_vec()].concat(),
        Name::Reminders => REMINDERS.to_vec(),
        Name::Payouts => PAYOUTS.to_vec(),
        Name::Payments => PAYMENTS.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write as _;

    use super::*;
    use crate::domain::report::By;
    use crate::domain::report::query::{Only, Split};

    fn all(name: Name, view: View) -> Vec<Column> {
        let known = |dimension| match name {
            Name::Revenue | Name::Recurring | Name::Failed => true,
            Name::OneTime => dimension != "frequency",
            _ => false,
        };
        let period = (name != Name::Payments).then_some(By::Month);
        let split =
            Split { period, frequency: known("frequency"), campaign: known("campaign"), source: known("source") };
        let day = "2026-11-01".parse().unwrap();
        of(&Query { name, from: day, to: day, split, only: Only::default(), view })
    }

    /// The tables of docs/REPORTS.md.
    fn tables() -> String {
        let mut text = String::new();
        let views = |name| if name == Name::Revenue { View::ALL } else { &View::ALL[..1] };
        for (name, view) in Name::ALL.iter().flat_map(|name| views(*name).iter().map(move |view| (*name, *view))) {
            let of = if name == Name::Revenue { format!("{name}, view {view}") } else { name.to_string() };
            let _ = write!(text, "\n## {of}\n\n| column | kind | what it means |\n|---|---|---|\n");
            for Column { name, kind, definition } in all(name, view) {
                let _ = writeln!(text, "| `{name}` | {kind} | {definition} |");
            }
        }
        text
    }

    #[test]
    fn the_document_defines_every_figure_as_the_reports_do() {
        let document = include_str!("../../../docs/REPORTS.md");
        let (_, written) = document.split_once("\n# Every figure\n").unwrap();
        assert!(written == tables(), "docs/REPORTS.md, under `# Every figure`, has to be:\n{}", tables());
    }

    #[test]
    fn no_two_columns_of_a_report_have_one_name() {
        for (name, view) in Name::ALL.iter().flat_map(|name| View::ALL.iter().map(move |view| (*name, *view))) {
            let columns = all(name, view);
            let names: BTreeSet<&str> = columns.iter().map(|column| column.name).collect();
            assert_eq!(names.len(), columns.len(), "{name}");
            assert!(columns.iter().all(|column| column.definition.ends_with('.')), "{name}");
        }
    }
}
