//! How far Stripe was looked through, and what is to be looked up.

use super::{Store, StoreError};
use crate::domain::pledge::PledgeStatus;
use crate::id::PledgeId;

/// A time the program remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// When Stripe last delivered something, by our clock, to the minute.
    WebhookReceived,
    /// Stripe's time before which nothing is missing.
    SweptUntil,
    /// When a sweep last ended, by our clock.
    SweepFinished,
    /// When, by our clock, subscriptions are to be held against Stripe's again.
    StandingsDue,
    /// Up to when, by our clock, the bodies of applied events are forgotten.
    AppliedBodiesForgotten,
    /// The same of ignored ones.
    IgnoredBodiesForgotten,
    /// The same of parked ones.
    ParkedBodiesForgotten,
    /// Up to when, by our clock, ignored events were looked into for forgotten pledges.
    IgnoredBodiesSeen,
}

impl Mark {
    fn name(self) -> &'static str {
        match self {
            Self::WebhookReceived => "webhook_received",
            Self::SweptUntil => "swept_until",
            Self::SweepFinished => "sweep_finished",
            Self::StandingsDue => "standings_due",
            Self::AppliedBodiesForgotten => "applied_bodies_forgotten",
            Self::IgnoredBodiesForgotten => "ignored_bodies_forgotten",
            Self::ParkedBodiesForgotten => "parked_bodies_forgotten",
            Self::IgnoredBodiesSeen => "ignored_bodies_seen",
        }
    }
}

/// A sweep that is under way. All times are Stripe's, in unix seconds.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct SweepRun {
    /// The list that is being read; none before the first.
    pub stage: Option<String>,
    /// The object after which the list goes on.
    pub after_id: Option<String>,
    pub from_at: i64,
    pub until_at: i64,
    /// From when objects are read too; none where events tell everything.
    pub objects_from_at: Option<i64>,
}

/// A pledge that should have been settled by now.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct OverduePledge {
    pub id: String,
    pub created_at: i64,
    pub stripe_session_id: Option<String>,
}

/// A pledge by its subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PledgeAtStripe {
    pub subscription_id: String,
    pub status: PledgeStatus,
    /// ISO 4217, upper case.
    pub currency: String,
}

impl Store {
    /// The remembered time, if there is one.
    pub async fn mark(&self, mark: Mark) -> Result<Option<i64>, StoreError> {
        let row = self.db.read("SELECT at FROM marks WHERE name = $1").bind(mark.name()).maybe::<(i64,)>().await?;
        Ok(row.map(|(at,)| at))
    }

    /// Remembers a time, in place of the one before.
    pub async fn set_mark(&self, mark: Mark, at: i64) -> Result<(), StoreError> {
        self.db
            .write("INSERT INTO marks (name, at) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET at = excluded.at")
            .bind(mark.name())
            .bind(at)
            .run()
            .await
            .map(|_| ())
    }

    /// Takes the sweep for the holder of `token` until `until`; false while another holds it.
    pub async fn lease_sweep(&self, token: &str, now: i64, until: i64) -> Result<bool, StoreError> {
        let leased = self
            .db
            .write(
                "UPDATE sweeps SET lease_token = $1, lease_until = $2 \
                 WHERE name = 'stripe' AND (lease_until <= $3 OR lease_token = $1)",
            )
            .bind(token)
            .bind(until)
            .bind(now)
            .run()
            .await?;
        Ok(leased > 0)
    }

    /// Gives the sweep back before its lease ends.
    pub async fn release_sweep(&self, token: &str) -> Result<(), StoreError> {
        self.db
            .write("UPDATE sweeps SET lease_token = NULL, lease_until = 0 WHERE name = 'stripe' AND lease_token = $1")
            .bind(token)
            .run()
            .await
            .map(|_| ())
    }

    /// The sweep that is under way, also one that a process left when it died.
    pub async fn sweep_under_way(&self) -> Result<Option<SweepRun>, StoreError> {
        self.db
            .read(
                "SELECT stage, after_id, from_at, until_at, objects_from_at FROM sweeps \
                 WHERE name = 'stripe' AND stage IS NOT NULL",
            )
            .maybe()
            .await
    }

    /// Notes how far the sweep has come, and holds it until `until`. Fails when another has taken it meanwhile.
    pub async fn note_sweep(&self, token: &str, run: &SweepRun, until: i64) -> Result<(), StoreError> {
        let noted = self
            .db
            .write(
                "UPDATE sweeps SET stage = $1, after_id = $2, from_at = $3, until_at = $4, objects_from_at = $5, \
                 lease_until = $6 WHERE name = 'stripe' AND lease_token = $7",
            )
            .bind(run.stage.clone())
            .bind(run.after_id.clone())
            .bind(run.from_at)
            .bind(run.until_at)
            .bind(run.objects_from_at)
            .bind(until)
            .bind(token)
            .run()
            .await?;
        if noted > 0 { Ok(()) } else { Err(StoreError::LeaseLost) }
    }

    /// Ends the sweep: nothing is missing before `run.until_at` any more.
    pub async fn end_sweep(&self, token: &str, run: &SweepRun, now: i64) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        let ended = tx
            .query(
                "UPDATE sweeps SET stage = NULL, after_id = NULL, lease_token = NULL, lease_until = 0 \
                 WHERE name = 'stripe' AND lease_token = $1",
            )
            .bind(token)
            .run()
            .await?;
        if ended == 0 {
            return Err(StoreError::LeaseLost);
        }
        for (mark, at) in [(Mark::SweptUntil, run.until_at), (Mark::SweepFinished, now)] {
            tx.query(
                "INSERT INTO marks (name, at) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET at = excluded.at \
                 WHERE marks.at < excluded.at",
            )
            .bind(mark.name())
            .bind(at)
            .run()
            .await?;
        }
        tx.commit().await
    }

    /// Stripe's time of the newest event that is known.
    pub async fn newest_event_at(&self) -> Result<Option<i64>, StoreError> {
        let newest = "SELECT MAX(stripe_created_at) AS at FROM stripe_events";
        Ok(self.db.read(newest).one::<(Option<i64>,)>().await?.0)
    }

    /// Pledges made here that are not settled although their checkout ended before `expired`, and that nobody asked about since
    /// `asked`; at most `most`.
    pub async fn overdue_pledges(&self, expired: i64, asked: i64, most: i64) -> Result<Vec<OverduePledge>, StoreError> {
        self.db
            .read(
                "SELECT id, created_at, stripe_session_id FROM pledges \
                 WHERE settled_at IS NULL AND adopted_at IS NULL AND expires_at < $1 AND (looked_up_at IS NULL OR looked_up_at < $2) \
                 ORDER BY expires_at, id LIMIT $3",
            )
            .bind(expired)
            .bind(asked)
            .bind(most)
            .all()
            .await
    }

    /// The pledges of these subscriptions, as far as they are known.
    pub async fn pledges_of_subscriptions(&self, ids: &[String]) -> Result<Vec<PledgeAtStripe>, StoreError> {
        let mut tx = self.db.begin_read().await?;
        let rows: Vec<(String, String, String)> = tx
            .list(
                "SELECT o.object_id, g.status, g.currency FROM stripe_objects o JOIN pledges g ON g.id = o.pledge_id \
                 WHERE o.object_id IN {?}",
                ids,
            )
            .await?;
        tx.rollback().await?;
        let read = |(subscription_id, status, currency): (String, String, String)| {
            let status = PledgeStatus::parse(&status).ok_or(StoreError::Corrupt { what: "pledges.status" })?;
            Ok(PledgeAtStripe { subscription_id, status, currency })
        };
        rows.into_iter().map(read).collect()
    }

    /// Pledges that recur and are not over, with their subscriptions: those after `last` in the order of ids, at most `most`.
    pub async fn pledges_going_on(&self, last: &str, most: i64) -> Result<Vec<(String, String)>, StoreError> {
        self.db
            .read(
                "SELECT id, stripe_subscription_id FROM pledges WHERE id > $1 AND stripe_subscription_id IS NOT NULL \
                 AND status IN ('active', 'paused', 'past_due') ORDER BY id LIMIT $2",
            )
            .bind(last)
            .bind(most)
            .all()
            .await
    }

    /// Notes that Stripe was asked about a pledge.
    pub async fn note_looked_up(&self, pledge: &PledgeId, now: i64) -> Result<(), StoreError> {
        self.db
            .write("UPDATE pledges SET looked_up_at = $1 WHERE id = $2")
            .bind(now)
            .bind(pledge.as_str())
            .run()
            .await
            .map(|_| ())
    }
}
