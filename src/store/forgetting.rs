//! Forgetting: what has had its time, and who asked for it.
//!
//! Money stays as it is: no statement here touches an amount, a status or a day. A row about a donor is emptied and not
//! deleted where facts may name it.

use super::{Mark, Store, StoreError, Tx};
use crate::domain::event::EventState;
use crate::domain::pledge::{Frequency, PledgeStatus};
use crate::domain::retention::Given;

/// A donor of whom something is known.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct RememberedDonor {
    pub id: String,
    pub created_at: i64,
    pub address_gone_at: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct GivenRow {
    /// The donor's id, or the pledge's own.
    key: String,
    frequency: String,
    status: String,
    settled_at: Option<i64>,
    paid_at: Option<i64>,
    ended_at: Option<i64>,
}

impl GivenRow {
    fn read(self) -> Result<(String, Given), StoreError> {
        const CORRUPT: StoreError = StoreError::Corrupt { what: "pledges" };
        let given = Given {
            frequency: Frequency::parse(&self.frequency).ok_or(CORRUPT)?,
            status: PledgeStatus::parse(&self.status).ok_or(CORRUPT)?,
            settled_at: self.settled_at,
            paid_at: self.paid_at,
            ended_at: self.ended_at,
        };
        Ok((self.key, given))
    }
}

/// Up to when the bodies of events that ended in this state are forgotten.
fn mark_of(state: EventState) -> Mark {
    match state {
        EventState::Ignored => Mark::IgnoredBodiesForgotten,
        EventState::Parked => Mark::ParkedBodiesForgotten,
        EventState::Received | EventState::Applied => Mark::AppliedBodiesForgotten,
    }
}

impl Store {
    /// Donors of whom something is known, up to `most` after this id.
    pub async fn donors_remembered(&self, after: &str, most: i64) -> Result<Vec<RememberedDonor>, StoreError> {
        self.db
            .read(
                "SELECT id, created_at, address_gone_at FROM donors WHERE forgotten_at IS NULL AND id > $1 \
                 ORDER BY id LIMIT $2",
            )
            .bind(after)
            .bind(most)
            .all()
            .await
    }

    /// Pledges of which nobody knows who made them and that may still learn it, up to `most` after this id.
    pub async fn pledges_of_nobody(&self, after: &str, most: i64) -> Result<Vec<(String, Given)>, StoreError> {
        let rows: Vec<GivenRow> = self
            .db
            .read(
                "SELECT id AS key, frequency, status, settled_at, paid_at, ended_at FROM pledges \
                 WHERE donor_id IS NULL AND forgotten_at IS NULL AND id > $1 ORDER BY id LIMIT $2",
            )
            .bind(after)
            .bind(most)
            .all()
            .await?;
        rows.into_iter().map(GivenRow::read).collect()
    }

    /// What these donors gave, each with the donor's id.
    pub async fn gifts_of(&self, donor_ids: &[String]) -> Result<Vec<(String, Given)>, StoreError> {
        let mut tx = self.db.begin_read().await?;
        let gifts = tx.gifts_of(donor_ids).await?;
        tx.rollback().await?;
        Ok(gifts)
    }

    /// Up to when the bodies of events in this state are forgotten, unix seconds.
    pub async fn bodies_forgotten_until(&self, state: EventState) -> Result<i64, StoreError> {
        Ok(self.mark(mark_of(state)).await?.unwrap_or(0))
    }

    /// Notes up to when the bodies of events in this state are forgotten.
    pub async fn note_bodies_forgotten(&self, state: EventState, until: i64) -> Result<(), StoreError> {
        self.set_mark(mark_of(state), until).await
    }

    /// Events that came to this state between these times, both included: up to `most` behind the one of this time and
    /// id, in that order.
    pub async fn events_settled(
        &self,
        state: EventState,
        behind: (i64, &str),
        until: i64,
        most: i64,
    ) -> Result<Vec<(i64, String)>, StoreError> {
        self.db
            .read(
                "SELECT settled_at, id FROM stripe_events WHERE state = $1 AND settled_at >= $2 AND settled_at <= $3 \
                 AND (settled_at > $2 OR id > $4) ORDER BY settled_at, id LIMIT $5",
            )
            .bind(state.as_str())
            .bind(behind.0)
            .bind(until)
            .bind(behind.1)
            .bind(most)
            .all()
            .await
    }

    /// How many bodies are kept of events that came to this state since that time and before `before`.
    pub async fn count_bodies(&self, state: EventState, since: i64, before: i64) -> Result<i64, StoreError> {
        let (count,) = self
            .db
            .read(
                "SELECT COUNT(*) AS n FROM stripe_events e JOIN stripe_event_bodies b ON b.event_id = e.id \
                 WHERE e.state = $1 AND e.settled_at >= $2 AND e.settled_at < $3",
            )
            .bind(state.as_str())
            .bind(since)
            .bind(before)
            .one::<(i64,)>()
            .await?;
        Ok(count)
    }

    /// Bodies of events as they are stored, each with its event's id: up to `most` after this one.
    pub async fn bodies_after(&self, event_id: &str, most: i64) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let bodies = "SELECT event_id, body FROM stripe_event_bodies WHERE event_id > $1 ORDER BY event_id LIMIT $2";
        self.db.read(bodies).bind(event_id).bind(most).all().await
    }

    /// The bodies of these events as they are stored, each with its event's id.
    pub async fn bodies_of(&self, event_ids: &[String]) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let mut tx = self.db.begin_read().await?;
        let bodies = "SELECT event_id, body FROM stripe_event_bodies WHERE event_id IN {?}";
        let bodies = tx.list(bodies, event_ids).await?;
        tx.rollback().await?;
        Ok(bodies)
    }

    /// Requests as they are stored, id, kind and body: up to `most` after this one.
    pub async fn requests_after(&self, id: &str, most: i64) -> Result<Vec<(String, String, Vec<u8>)>, StoreError> {
        let requests = "SELECT id, kind, body FROM requests WHERE id > $1 ORDER BY id LIMIT $2";
        self.db.read(requests).bind(id).bind(most).all().await
    }
}

impl Tx {
    /// Those of these ids that are forgotten pledges, belong to one, or are customers who made no others.
    pub async fn forgotten_among(&mut self, ids: &[String]) -> Result<Vec<String>, StoreError> {
        let forgotten = "SELECT id FROM pledges WHERE forgotten_at IS NOT NULL AND id IN {?} UNION \
                         SELECT o.object_id FROM stripe_objects o JOIN pledges p ON p.id = o.pledge_id \
                         WHERE p.forgotten_at IS NOT NULL AND o.object_id IN {?} UNION \
                         SELECT p.stripe_customer_id FROM pledges p WHERE p.stripe_customer_id IN {?} \
                         GROUP BY p.stripe_customer_id HAVING COUNT(*) = COUNT(p.forgotten_at)";
        let rows: Vec<(String,)> = self.keyed(forgotten).keys(ids).keys(ids).keys(ids).all().await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// What these donors gave, each with the donor's id.
    pub async fn gifts_of(&mut self, donor_ids: &[String]) -> Result<Vec<(String, Given)>, StoreError> {
        let rows: Vec<GivenRow> = self
            .list(
                "SELECT donor_id AS key, frequency, status, settled_at, paid_at, ended_at FROM pledges \
                 WHERE donor_id IN {?}",
                donor_ids,
            )
            .await?;
        rows.into_iter().map(GivenRow::read).collect()
    }

    /// Those of these donors of whom something is known.
    pub async fn still_remembered(&mut self, ids: &[String]) -> Result<Vec<RememberedDonor>, StoreError> {
        self.list("SELECT id, created_at, address_gone_at FROM donors WHERE forgotten_at IS NULL AND id IN {?}", ids)
            .await
    }

    /// Lets these pledges learn nothing more of who made them.
    pub async fn forget_pledges(&mut self, ids: &[String], now: i64) -> Result<(), StoreError> {
        self.keyed("DELETE FROM stop_links WHERE pledge_id IN {?}").keys(ids).run().await?;
        let forget = "UPDATE pledges SET forgotten_at = ? WHERE forgotten_at IS NULL AND id IN {?}";
        self.keyed(forget).bind(now).keys(ids).run().await.map(|_| ())
    }

    /// Forgets the addresses of these donors, and lets their pledges learn no other.
    pub async fn forget_addresses(&mut self, donor_ids: &[String], now: i64) -> Result<(), StoreError> {
        self.keyed(
            "UPDATE donors SET email_sealed = ?, address_gone_at = ? WHERE address_gone_at IS NULL AND id IN {?}",
        )
        .bind(Vec::<u8>::new())
        .bind(now)
        .keys(donor_ids)
        .run()
        .await?;
        self.keyed("DELETE FROM stop_links WHERE pledge_id IN (SELECT id FROM pledges WHERE donor_id IN {?})")
            .keys(donor_ids)
            .run()
            .await?;
        self.keyed("UPDATE pledges SET forgotten_at = ? WHERE forgotten_at IS NULL AND donor_id IN {?}")
            .bind(now)
            .keys(donor_ids)
            .run()
            .await
            .map(|_| ())
    }

    /// Forgets those of these donors who gave nothing.
    pub async fn forget_strangers(&mut self, donor_ids: &[String], now: i64) -> Result<(), StoreError> {
        if donor_ids.is_empty() {
            return Ok(());
        }
        let giving = self.gifts_of(donor_ids).await?;
        let gave = |id: &String| giving.iter().any(|(donor, _)| donor == id);
        let strangers: Vec<String> = donor_ids.iter().filter(|id| !gave(id)).cloned().collect();
        self.forget_donors(&strangers, now).await
    }

    /// Notes what came of the checkout of a pledge, where no event has told yet.
    pub async fn note_came_of(
        &mut self,
        pledge_id: &str,
        subscription_id: Option<&str>,
        customer_id: Option<&str>,
    ) -> Result<(), StoreError> {
        self.query(
            "UPDATE pledges SET stripe_subscription_id = COALESCE(stripe_subscription_id, $1), \
             stripe_customer_id = COALESCE(stripe_customer_id, $2) WHERE id = $3",
        )
        .bind(subscription_id.map(str::to_owned))
        .bind(customer_id.map(str::to_owned))
        .bind(pledge_id)
        .run()
        .await
        .map(|_| ())
    }

    /// Forgets these donors: nothing tells any more that two gifts are of one.
    pub async fn forget_donors(&mut self, donor_ids: &[String], now: i64) -> Result<(), StoreError> {
        self.forget_addresses(donor_ids, now).await?;
        for named in [
            "UPDATE stripe_objects SET donor_id = NULL WHERE donor_id IS NOT NULL AND object_id IN \
             (SELECT stripe_customer_id FROM pledges WHERE donor_id IN {?})",
            "UPDATE stripe_objects SET donor_id = NULL WHERE donor_id IS NOT NULL AND pledge_id IN \
             (SELECT id FROM pledges WHERE donor_id IN {?})",
            "UPDATE pledges SET donor_id = NULL WHERE donor_id IN {?}",
        ] {
            self.keyed(named).keys(donor_ids).run().await?;
        }
        self.keyed(
            "UPDATE donors SET email_index = id, reminder_index = NULL, forgotten_at = ? \
             WHERE forgotten_at IS NULL AND id IN {?}",
        )
        .bind(now)
        .keys(donor_ids)
        .run()
        .await
        .map(|_| ())
    }
}
