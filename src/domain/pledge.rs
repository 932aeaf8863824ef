//! What a donor chose, and the words for how it stands.

/// Declares an enum whose values have one spelling everywhere: in the database, in JSON and in the docs.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:tt),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// Every value, in the order of the docs.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its one spelling.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Reads that spelling, and no other.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use words;

words! {
    /// How often a pledge is paid.
    Frequency { Once = "once", Monthly = "monthly", Annual = "annual" }
}

impl Frequency {
    /// Whether Stripe holds a subscription behind it.
    pub fn recurs(self) -> bool {
        self != Self::Once
    }

    /// What a subscription of this interval is (source: Stripe's API reference, `recurring.interval` of a price).
    pub fn of_interval(interval: &str) -> Option<Self> {
        match interval {
            "month" => Some(Self::Monthly),
            "year" => Some(Self::Annual),
            _ => None,
        }
    }
}

words! {
    /// How a pledge stands. A pure function of facts: see `docs/ARCHITECTURE.md` for the table from Stripe's statuses.
    PledgeStatus {
        /// A checkout session waits for the donor; a declined card leaves it so.
        Open = "open",
        /// The donor is done; the money is on its way (bank debits take days).
        Processing = "processing",
        /// A one-time gift has come in.
        Paid = "paid",
        /// A monthly or annual gift is running.
        Active = "active",
        /// A renewal failed and Stripe is still trying, or gave up without ending the agreement.
        PastDue = "past_due",
        /// Nothing is taken until it is resumed.
        Paused = "paused",
        /// It was ended.
        Canceled = "canceled",
        /// The checkout session ended unpaid.
        Expired = "expired",
        /// The first money never came.
        Failed = "failed",
    }
}

impl PledgeStatus {
    /// Whether the donor's checkout has come to a result.
    pub fn settled(self) -> bool {
        !matches!(self, Self::Open | Self::Processing)
    }

    /// Whether nothing more is to come of it.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Canceled | Self::Expired | Self::Failed)
    }
}
