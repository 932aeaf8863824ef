//! Money: an amount in minor units and its currency, with checked arithmetic only.
//!
//! How many decimals a currency has at Stripe is not always what ISO 4217 says; the exceptions are data here
//! (source: Stripe's documentation, "Supported currencies", sections on zero-decimal, three-decimal and special cases).

use std::fmt;

use iso_currency::Currency as Iso;

/// Currencies Stripe counts in whole units.
const ZERO_DECIMAL: [&str; 15] =
    ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"];
/// Currencies of three decimals whose last digit must be 0.
const THREE_DECIMAL: [&str; 5] = ["BHD", "JOD", "KWD", "OMR", "TND"];
/// Currencies written with two decimals that must be 00.
const WHOLE_IN_TWO: [&str; 2] = ["ISK", "UGX"];

/// A currency by its ISO 4217 code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// The text was not a currency code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an ISO 4217 currency code, such as USD")]
pub struct UnknownCurrency;

impl Currency {
    pub const USD: Self = Self(*b"USD");

    /// Reads a code in any case.
    pub fn parse(code: &str) -> Result<Self, UnknownCurrency> {
        let upper = code.to_ascii_uppercase();
        let bytes: [u8; 3] = upper.as_bytes().try_into().map_err(|_| UnknownCurrency)?;
        Iso::from_code(&upper).map(|_| Self(bytes)).ok_or(UnknownCurrency)
    }

    /// Reads a code that Stripe wrote: three letters, which may be none that we know.
    pub fn recorded(code: &str) -> Result<Self, UnknownCurrency> {
        let bytes: [u8; 3] = code.as_bytes().try_into().map_err(|_| UnknownCurrency)?;
        if bytes.iter().all(u8::is_ascii_uppercase) { Ok(Self(bytes)) } else { Err(UnknownCurrency) }
    }

    /// The code in upper case.
    pub fn code(&self) -> &str {
        // Only ASCII letters ever get in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The code as Stripe writes it.
    pub fn stripe_code(&self) -> String {
        self.code().to_ascii_lowercase()
    }

    /// How many decimals its minor unit has at Stripe.
    pub fn exponent(self) -> u32 {
        match self.code() {
            code if ZERO_DECIMAL.contains(&code) => 0,
            code if THREE_DECIMAL.contains(&code) => 3,
            _ => 2,
        }
    }

    /// Amounts must be a multiple of this many minor units.
    pub fn step_minor(self) -> i64 {
        match self.code() {
            code if THREE_DECIMAL.contains(&code) => 10,
            code if WHOLE_IN_TWO.contains(&code) => 100,
            _ => 1,
        }
    }

    /// The sign before an amount, where it is the currency's alone among those readers meet; otherwise the code.
    fn sign(self) -> Option<&'static str> {
        match self.code() {
            "USD" => Some("$"),
            "EUR" => Some("€"),
            "GBP" => Some("£"),
            "JPY" => Some("¥"),
            _ => None,
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl serde::Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> serde::Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Self::parse(&code).map_err(serde::de::Error::custom)
    }
}

/// An amount of one currency, in its minor unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    pub amount_minor: i64,
    pub currency: Currency,
}

/// Two amounts could not be put together, or a text was no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    #[error("{0} and {1} are never added")]
    Currencies(Currency, Currency),
    #[error("the amount does not fit")]
    Overflow,
    #[error("not an amount: expected digits and at most {exponent} decimals")]
    NotAnAmount { exponent: u32 },
}

impl Money {
    pub fn new(amount_minor: i64, currency: Currency) -> Self {
        Self { amount_minor, currency }
    }

    /// The sum of two amounts of one currency.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Currencies(self.currency, other.currency));
        }
        let amount_minor = self.amount_minor.checked_add(other.amount_minor).ok_or(MoneyError::Overflow)?;
        Ok(Self { amount_minor, ..self })
    }

    /// Reads an amount in major units as a person types it: `25`, `25.00`, `25,5`, with spaces around.
    pub fn parse_major(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let exponent = currency.exponent();
        let wrong = || MoneyError::NotAnAmount { exponent };
        let text = text.trim();
        let (whole, decimals) = text.split_once(['.', ',']).unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let places = usize::try_from(exponent).unwrap_or(0);
        let too_fine = decimals.len() > places && decimals.bytes().skip(places).any(|b| b != b'0');
        if whole.is_empty() || !digits(whole) || !digits(decimals) || too_fine || text.len() > 32 {
            return Err(wrong());
        }
        let decimals: String = decimals.chars().chain(std::iter::repeat('0')).take(places).collect();
        let amount_minor = format!("{whole}{decimals}").parse().map_err(|_| wrong())?;
        Ok(Self { amount_minor, currency })
    }

    /// The amount in major units with a point and all its decimals and nothing else: `1234.50`.
    pub fn decimal(&self) -> String {
        let exponent = self.currency.exponent();
        let unit = 10_u64.pow(exponent);
        let (sign, amount) = (if self.amount_minor < 0 { "-" } else { "" }, self.amount_minor.unsigned_abs());
        match usize::try_from(exponent).unwrap_or(0) {
            0 => format!("{sign}{amount}"),
            places => format!("{sign}{}.{:0places$}", amount / unit, amount % unit),
        }
    }
}

/// As English readers write it: `$1,234.50`, `¥5,000`, `CHF 25.00`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimal = Money { amount_minor: self.amount_minor.saturating_abs(), ..*self }.decimal();
        let (whole, decimals) = decimal.split_once('.').map_or((decimal.as_str(), None), |(w, d)| (w, Some(d)));
        if self.amount_minor < 0 {
            f.write_str("-")?;
        }
        match self.currency.sign() {
            Some(sign) => f.write_str(sign)?,
            None => write!(f, "{} ", self.currency)?,
        }
        for (n, digit) in whole.chars().enumerate() {
            if n > 0 && (whole.len() - n).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        decimals.map_or(Ok(()), |decimals| write!(f, ".{decimals}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currency(code: &str) -> Currency {
        Currency::parse(code).unwrap()
    }

    #[test]
    fn codes_are_read_in_any_case_and_nonsense_is_refused() {
        assert_eq!(currency("usd").code(), "USD");
        assert_eq!(currency("eUr").stripe_code(), "eur");
        for wrong in ["", "US", "USDD", "ZZZ", "us ", "€€€", "U\0D"] {
            assert_eq!(Currency::parse(wrong), Err(UnknownCurrency), "{wrong:?}");
        }
    }

    #[test]
    fn stripes_own_decimals_are_kept() {
        for (code, exponent, step) in [
            ("USD", 2, 1),
            ("JPY", 0, 1),
            ("MGA", 0, 1),
            ("ISK", 2, 100),
            ("UGX", 2, 100),
            ("KWD", 3, 10),
            ("TND", 3, 10),
        ] {
            assert_eq!((currency(code).exponent(), currency(code).step_minor()), (exponent, step), "{code}");
        }
    }

    #[test]
    fn amounts_are_read_and_written_to_the_minor_unit() {
        for (text, code, minor) in [
            ("25", "USD", 2500),
            ("25.5", "USD", 2550),
            (" 0,07 ", "EUR", 7),
            ("5000", "JPY", 5000),
            ("5000.00", "JPY", 5000),
            ("1.23", "KWD", 1230),
        ] {
            assert_eq!(Money::parse_major(text, currency(code)).unwrap().amount_minor, minor, "{text}");
        }
        for wrong in ["", ".", ".5", "-1", "1.234", "1e3", "1 000", "١", "99999999999999999999", "0x10", "NaN"] {
            assert!(Money::parse_major(wrong, currency("USD")).is_err(), "{wrong}");
        }
        assert_eq!(Money::new(123_450, currency("USD")).to_string(), "$1,234.50");
        assert_eq!(Money::new(-5000, currency("JPY")).to_string(), "-¥5,000");
        assert_eq!(Money::new(1_230, currency("KWD")).decimal(), "1.230");
        assert_eq!(Money::new(2500, currency("CHF")).to_string(), "CHF 25.00");
    }

    #[test]
    fn currencies_are_never_added_and_sums_never_wrap() {
        let usd = Money::new(i64::MAX, currency("USD"));
        assert_eq!(usd.checked_add(Money::new(1, currency("USD"))), Err(MoneyError::Overflow));
        assert!(matches!(usd.checked_add(Money::new(1, currency("EUR"))), Err(MoneyError::Currencies(..))));
    }
}
