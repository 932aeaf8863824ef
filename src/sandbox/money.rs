//! Which currencies Stripe takes, how little it charges, and what it keeps.
//!
//! It must not know of objects or requests. Invariant: every amount is a whole number of the currency's minor units
//! as Stripe counts them.

/// The most digits Stripe takes in one charge.
pub(super) const AMOUNT_MAX: i64 = 99_999_999;

/// Currencies the sandbox takes, with the least amount Stripe charges (minor units). Those without a published
/// minimum take the equivalent of half a dollar, as Stripe does; here that is a round figure.
const CURRENCIES: &[(&str, i64)] = &[
    ("aed", 200),
    ("afn", 4_000),
    ("all", 5_000),
    ("amd", 20_000),
    ("ars", 50_000),
    ("aud", 50),
    ("azn", 100),
    ("bam", 100),
    ("bdt", 6_000),
    ("bgn", 100),
    ("bhd", 200),
    ("bob", 350),
    ("brl", 50),
    ("byn", 170),
    ("cad", 50),
    ("chf", 50),
    ("clp", 500),
    ("cny", 400),
    ("cop", 200_000),
    ("crc", 26_000),
    ("czk", 1_500),
    ("dkk", 250),
    ("dop", 3_000),
    ("egp", 2_500),
    ("etb", 6_000),
    ("eur", 50),
    ("gbp", 30),
    ("gel", 150),
    ("ghs", 600),
    ("gtq", 400),
    ("hkd", 400),
    ("huf", 17_500),
    ("idr", 800_000),
    ("ils", 200),
    ("inr", 50),
    ("isk", 7_000),
    ("jmd", 8_000),
    ("jod", 400),
    ("jpy", 50),
    ("kes", 6_500),
    ("kgs", 4_500),
    ("krw", 700),
    ("kwd", 200),
    ("kzt", 25_000),
    ("lkr", 15_000),
    ("mad", 500),
    ("mdl", 900),
    ("mga", 2_300),
    ("mkd", 3_000),
    ("mnt", 170_000),
    ("mxn", 1_000),
    ("myr", 200),
    ("ngn", 80_000),
    ("nok", 300),
    ("nzd", 50),
    ("omr", 200),
    ("pen", 200),
    ("php", 3_000),
    ("pkr", 14_000),
    ("pln", 200),
    ("pyg", 4_000),
    ("qar", 200),
    ("ron", 200),
    ("rsd", 6_000),
    ("rub", 5_000),
    ("sar", 200),
    ("sek", 300),
    ("sgd", 50),
    ("thb", 1_000),
    ("tnd", 1_600),
    ("try", 2_000),
    ("twd", 1_600),
    ("tzs", 130_000),
    ("uah", 2_100),
    ("ugx", 190_000),
    ("usd", 50),
    ("uyu", 2_000),
    ("uzs", 650_000),
    ("vnd", 13_000),
    ("xaf", 300),
    ("xof", 300),
    ("zar", 900),
];

/// Currencies whose amounts must end in these many zeros though Stripe counts them with decimals.
const ROUND: &[(&str, i64)] =
    &[("isk", 100), ("ugx", 100), ("bhd", 10), ("jod", 10), ("kwd", 10), ("omr", 10), ("tnd", 10)];

/// Card fees: basis points and a fixed part.
const CARD_FEES: &[(&str, i64, i64)] = &[
    ("usd", 290, 30),
    ("eur", 150, 25),
    ("gbp", 150, 20),
    ("jpy", 360, 0),
    ("cad", 290, 30),
    ("aud", 170, 30),
    ("chf", 290, 30),
    ("sek", 150, 180),
    ("nok", 240, 200),
    ("dkk", 150, 180),
    ("pln", 150, 100),
    ("czk", 150, 650),
];

/// The least amount of `currency` (lower case); nothing when Stripe does not know it.
pub(super) fn minimum(currency: &str) -> Option<i64> {
    CURRENCIES.iter().find(|(code, _)| *code == currency).map(|(_, minimum)| *minimum)
}

/// What amounts of `currency` must be a multiple of.
pub(super) fn step(currency: &str) -> i64 {
    ROUND.iter().find(|(code, _)| *code == currency).map_or(1, |(_, step)| *step)
}

/// What Stripe keeps of a card payment.
pub(super) fn card_fee(amount: i64, currency: &str) -> i64 {
    let (points, fixed) =
        CARD_FEES.iter().find(|(code, ..)| *code == currency).map_or((290, 30), |(_, points, fixed)| (*points, *fixed));
    (share(amount, points) + fixed).min(amount)
}

/// What Stripe keeps of a bank debit.
pub(super) fn bank_fee(amount: i64) -> i64 {
    share(amount, 80).min(500)
}

/// What a lost or open dispute costs.
pub(super) fn dispute_fee(currency: &str) -> i64 {
    30 * minimum(currency).unwrap_or(50)
}

/// An amount in another currency, half a unit rounded away from nothing. The rate is what a whole unit of `from` is worth,
/// in millionths of a whole unit of `to`.
pub(super) fn exchanged(minor: i64, from: &str, to: &str, rate_millionths: i64) -> i64 {
    let unit = 1_000_000 * 10_i128.pow(digits(from));
    let worth = i128::from(minor.abs()) * i128::from(rate_millionths) * 10_i128.pow(digits(to));
    let rounded = i64::try_from((worth + unit / 2) / unit).unwrap_or(AMOUNT_MAX);
    rounded * minor.signum()
}

fn digits(currency: &str) -> u32 {
    match currency {
        "clp" | "jpy" | "krw" | "mga" | "pyg" | "vnd" | "xaf" | "xof" => 0,
        "bhd" | "jod" | "kwd" | "omr" | "tnd" => 3,
        _ => 2,
    }
}

/// `points` hundredths of a percent, half a unit rounded up.
fn share(amount: i64, points: i64) -> i64 {
    amount.saturating_mul(points).saturating_add(5_000) / 10_000
}

/// The amount as a person reads it.
pub(super) fn display(amount: i64, currency: &str) -> String {
    let digits = digits(currency);
    let unit = 10_i64.pow(digits);
    let code = currency.to_uppercase();
    match digits {
        0 => format!("{code} {amount}"),
        _ => format!("{code} {}.{:0width$}", amount / unit, (amount % unit).abs(), width = digits as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fees_are_whole_minor_units() {
        assert_eq!(card_fee(2_500, "usd"), 103);
        assert_eq!(card_fee(200, "eur"), 28);
        assert_eq!(card_fee(5_000, "jpy"), 180);
        assert_eq!(bank_fee(1_000_000), 500);
    }

    #[test]
    fn an_amount_is_exchanged_to_the_nearest_minor_unit() {
        assert_eq!(exchanged(200, "eur", "usd", 1_083_400), 217);
        assert_eq!(exchanged(-200, "eur", "usd", 1_083_400), -217);
        assert_eq!(exchanged(5_000, "jpy", "usd", 6_400), 3_200);
        assert_eq!(exchanged(3_200, "usd", "jpy", 156_250_000), 5_000);
    }

    #[test]
    fn amounts_read_as_a_person_writes_them() {
        assert_eq!(display(2_505, "usd"), "USD 25.05");
        assert_eq!(display(5_000, "jpy"), "JPY 5000");
        assert_eq!(display(1_230, "kwd"), "KWD 1.230");
    }
}
