//! What a person of the newsroom may have done at Stripe, and how far it came.

use super::pledge::words;

/// The actor who is the donor, by a page of ours: the one who needs no reason.
pub const DONOR: &str = "donor";
/// The longest typed reason, in characters.
pub const MAX_REASON: usize = 500;

words! {
    /// What is done.
    ActionKind {
        Refund = "refund",
        Cancel = "cancel",
        CancelAtPeriodEnd = "cancel_at_period_end",
        ChangeAmount = "change_amount",
        ChangeFrequency = "change_frequency",
        Pause = "pause",
        Resume = "resume",
    }
}

words! {
    /// What Stripe answered. Whether it came to pass is said by its events alone.
    ActionState {
        /// Not sent, or nobody knows whether it arrived.
        Asked = "asked",
        /// Stripe took it.
        Sent = "sent",
        Refused = "refused",
    }
}

words! {
    /// How an action is shown.
    Standing {
        /// Nobody knows yet whether Stripe has it: it may be sent again.
        Unsure = "unsure",
        /// Stripe has it and has not said that it is done.
        Waiting = "waiting",
        /// Stripe said so.
        Done = "done",
        Refused = "refused",
        /// The money came back: the donor's bank did not take it.
        Failed = "failed",
    }
}

/// How an action stands, by what Stripe answered and what its events said since. `refund` is the status of the refund it
/// made, `ending` whether the subscription is over or is to be.
pub fn standing(kind: ActionKind, state: ActionState, refund: Option<&str>, ending: Ending) -> Standing {
    match (state, kind) {
        (ActionState::Asked, _) => Standing::Unsure,
        (ActionState::Refused, _) => Standing::Refused,
        (ActionState::Sent, ActionKind::Refund) => match refund {
            Some("succeeded") => Standing::Done,
            Some("failed" | "canceled") => Standing::Failed,
            _ => Standing::Waiting,
        },
        (ActionState::Sent, ActionKind::Cancel) if ending == Ending::Over => Standing::Done,
        (ActionState::Sent, ActionKind::CancelAtPeriodEnd) if ending != Ending::None => Standing::Done,
        (ActionState::Sent, _) => Standing::Waiting,
    }
}

/// What events said of a subscription's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    None,
    Intended,
    Over,
}

/// A typed reason without the blanks around it, if it can be one.
pub fn reason(text: &str) -> Option<&str> {
    let text = text.trim();
    let plain = text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'));
    (plain && (3..=MAX_REASON).contains(&text.chars().count())).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_done_before_an_event_said_so() {
        use ActionKind::{Cancel, CancelAtPeriodEnd, Refund};
        use ActionState::{Asked, Refused, Sent};
        let shown = |kind, state, refund, ending| standing(kind, state, refund, ending).as_str();
        assert_eq!(shown(Refund, Asked, Some("succeeded"), Ending::None), "unsure");
        assert_eq!(shown(Refund, Sent, None, Ending::None), "waiting");
        assert_eq!(shown(Refund, Sent, Some("pending"), Ending::None), "waiting");
        assert_eq!(shown(Refund, Sent, Some("succeeded"), Ending::None), "done");
        assert_eq!(shown(Refund, Sent, Some("failed"), Ending::None), "failed");
        assert_eq!(shown(Refund, Refused, None, Ending::None), "refused");
        assert_eq!(shown(Cancel, Sent, None, Ending::Intended), "waiting");
        assert_eq!(shown(Cancel, Sent, None, Ending::Over), "done");
        assert_eq!(shown(CancelAtPeriodEnd, Sent, None, Ending::None), "waiting");
        assert_eq!(shown(CancelAtPeriodEnd, Sent, None, Ending::Intended), "done");
    }

    #[test]
    fn a_reason_is_something_somebody_typed() {
        assert_eq!(reason("  asked by mail "), Some("asked by mail"));
        for wrong in ["", "  ", "ab", "\u{0}\u{0}\u{0}", &"x".repeat(MAX_REASON + 1)] {
            assert_eq!(reason(wrong), None, "{wrong:?}");
        }
    }
}
