//! Bringing back pledges that the database lost: after a restore, they are those made since the backup; after damage, those
//! that were committed last.
//!
//! Each was made with a checkout session that names it, and Stripe still has the session. What only we knew (the source,
//! what of the amount covers the fee, the language) is gone. Two Mainstays on one account cannot be told apart by this, so
//! it is done only where something is known to be lost.

use serde_json::Value;

use super::sweep::{SweepError, Sweeper};
use crate::clock::DAY;
use crate::domain::adoption::Lost;
use crate::domain::campaign::DEFAULT;
use crate::domain::pledge::PledgeStatus;
use crate::gateway::adopt::lost_pledge;
use crate::gateway::list::List;
use crate::store::Pledge;

/// Sessions are read from this long before what is missing, in seconds: as long as one lives, twice.
const BEFORE: i64 = 2 * DAY;

impl Sweeper {
    /// Brings back pledges made since `from` (Stripe's time) that are not there; returns how many.
    pub(super) async fn recover_pledges(&self, from: i64) -> Result<u64, SweepError> {
        let list = List {
            collection: "checkout/sessions",
            created_from: Some((from - BEFORE).max(0)),
            narrowed: vec![("expand[]", "data.line_items".to_owned())],
            ..List::default()
        };
        let campaigns = self.store.campaign_slugs().await?;
        let mut recovered = 0;
        let mut after = None;
        loop {
            let page = self.gateway.page(&self.pace, &list, after.as_deref()).await?;
            let at = page.at.unwrap_or_else(|| self.clock.now());
            let sessions: Vec<(Lost, Value)> =
                page.objects.into_iter().filter_map(|session| Some((lost_pledge(&session)?, session))).collect();
            let ids: Vec<String> = sessions.iter().map(|(lost, _)| lost.id.to_string()).collect();
            let held = self.store.pledges_held(&ids).await?;
            for (lost, session) in
                sessions.into_iter().filter(|(lost, _)| !held.iter().any(|id| id == lost.id.as_str()))
            {
                let (id, session_id, url) = (lost.id.clone(), lost.session_id.clone(), lost.checkout_url.clone());
                self.store.insert_pledge(&pledge(lost, &campaigns), None).await?;
                self.store.set_session(&id, &session_id, url.as_deref()).await?;
                // Heard before as another's, it is now known as ours.
                self.take_in(false, std::slice::from_ref(&session), at).await?;
                recovered += 1;
            }
            after = page.after;
            if after.is_none() {
                break;
            }
        }
        if recovered > 0 {
            tracing::warn!(recovered, "pledges that the database had lost were brought back from their checkouts");
        }
        Ok(recovered)
    }
}

fn pledge(lost: Lost, campaigns: &[String]) -> Pledge {
    let campaign = lost.campaign.filter(|slug| campaigns.contains(slug)).unwrap_or_else(|| DEFAULT.to_owned());
    Pledge {
        id: lost.id,
        campaign_name: campaign.clone(),
        campaign,
        frequency: lost.frequency,
        money: lost.money,
        cover_minor: 0,
        locale: None,
        source: String::new(),
        return_url: String::new(),
        status: PledgeStatus::Open,
        created_at: lost.created_at,
        expires_at: lost.expires_at,
        given_up_at: None,
        settled_at: None,
        stripe_attempt: 1,
        stripe_session_id: None,
        checkout_url: None,
    }
}
