//! Loading and writing the books: a few set-based statements for a whole batch of events.
//!
//! Whoever reconciles first takes the one turn there is ([`Tx::take_turn`]), so that on PostgreSQL as on SQLite nobody
//! derives a status from facts that another is just changing.

use std::collections::{BTreeSet, HashMap};

use super::db::Query;
use super::{StoreError, Tx};
use crate::domain::books::{Books, Changes, Payment, PaymentStatus, PledgeEntry, RevenueChange, RevenueKey};
use crate::domain::facts::{Fact, Links, Object, ObjectKind};
use crate::domain::pledge::{Frequency, PledgeStatus};
use crate::id::{DonorId, PaymentId, Random};

/// Objects that name each other are followed this far: charge, payment intent, invoice payment, invoice, subscription,
/// session, customer.
const MAX_HOPS: usize = 7;

/// A donor's address, ready to be stored.
#[derive(Debug, Clone)]
pub struct NewDonor {
    pub id: DonorId,
    /// The blind index of the address.
    pub email_index: String,
    /// The address, sealed for the row `id`.
    pub email_sealed: Vec<u8>,
}

#[derive(sqlx::FromRow)]
struct ObjectRow {
    object_id: String,
    kind: String,
    pledge_id: Option<String>,
    payment_intent_id: Option<String>,
    invoice_id: Option<String>,
    subscription_id: Option<String>,
    customer_id: Option<String>,
    donor_id: Option<String>,
    fact: String,
}

impl ObjectRow {
    fn read(self) -> Result<Object, StoreError> {
        let corrupt = |what| StoreError::Corrupt { what };
        let fact: Fact = serde_json::from_str(&self.fact).map_err(|_| corrupt("stripe_objects.fact"))?;
        Ok(Object {
            id: self.object_id,
            kind: ObjectKind::parse(&self.kind).ok_or(corrupt("stripe_objects.kind"))?,
            links: Links {
                pledge: self.pledge_id,
                payment_intent: self.payment_intent_id,
                invoice: self.invoice_id,
                subscription: self.subscription_id,
                customer: self.customer_id,
            },
            donor_id: self.donor_id,
            fact,
        })
    }
}

#[derive(sqlx::FromRow)]
struct PledgeRow {
    id: String,
    campaign: String,
    source: String,
    frequency: String,
    status: String,
    given_up_at: Option<i64>,
    settled_at: Option<i64>,
    paid_at: Option<i64>,
    stripe_subscription_id: Option<String>,
    stripe_customer_id: Option<String>,
    donor_id: Option<String>,
}

impl PledgeRow {
    fn read(self) -> Result<PledgeEntry, StoreError> {
        let corrupt = |what| StoreError::Corrupt { what };
        Ok(PledgeEntry {
            frequency: Frequency::parse(&self.frequency).ok_or(corrupt("pledges.frequency"))?,
            status: PledgeStatus::parse(&self.status).ok_or(corrupt("pledges.status"))?,
            id: self.id,
            campaign: self.campaign,
            source: self.source,
            given_up: self.given_up_at.is_some(),
            settled_at: self.settled_at,
            paid_at: self.paid_at,
            stripe_subscription_id: self.stripe_subscription_id,
            stripe_customer_id: self.stripe_customer_id,
            donor_id: self.donor_id,
        })
    }
}

#[derive(sqlx::FromRow)]
struct PaymentRow {
    stripe_key: String,
    pledge_id: String,
    status: String,
    amount_minor: i64,
    currency: String,
    succeeded_at: Option<i64>,
    day: Option<i64>,
    stripe_charge_id: Option<String>,
    stripe_balance_transaction_id: Option<String>,
}

impl PaymentRow {
    fn read(self) -> Result<Payment, StoreError> {
        Ok(Payment {
            status: PaymentStatus::parse(&self.status).ok_or(StoreError::Corrupt { what: "payments.status" })?,
            stripe_key: self.stripe_key,
            pledge_id: self.pledge_id,
            amount_minor: self.amount_minor,
            currency: self.currency,
            succeeded_at: self.succeeded_at,
            day: self.day,
            stripe_charge_id: self.stripe_charge_id,
            stripe_balance_transaction_id: self.stripe_balance_transaction_id,
        })
    }
}

/// Ids still to be looked up, and those that have been.
#[derive(Default)]
struct Frontier {
    wanted: BTreeSet<String>,
    asked: BTreeSet<String>,
}

impl Frontier {
    fn want(&mut self, id: Option<&String>) {
        if let Some(id) = id.filter(|id| !self.asked.contains(*id)) {
            self.wanted.insert(id.clone());
        }
    }

    fn take(&mut self) -> Vec<String> {
        let wanted = std::mem::take(&mut self.wanted);
        self.asked.extend(wanted.iter().cloned());
        wanted.into_iter().collect()
    }
}

/// What is known by id, and what names an id.
#[derive(Default)]
struct Reach {
    ids: Frontier,
    payment_intents: Frontier,
    invoices: Frontier,
    subscriptions: Frontier,
}

impl Reach {
    fn follow(&mut self, object: &Object) {
        self.ids.want(Some(&object.id));
        let links = &object.links;
        for id in [&links.payment_intent, &links.invoice, &links.subscription, &links.customer] {
            self.ids.want(id.as_ref());
        }
        self.payment_intents.want(links.payment_intent.as_ref());
        self.invoices.want(links.invoice.as_ref());
        match object.kind {
            ObjectKind::PaymentIntent => self.payment_intents.want(Some(&object.id)),
            ObjectKind::Invoice => self.invoices.want(Some(&object.id)),
            ObjectKind::Subscription => self.subscriptions.want(Some(&object.id)),
            _ => {}
        }
        self.subscriptions.want(links.subscription.as_ref());
    }

    fn done(&self) -> bool {
        [&self.ids, &self.payment_intents, &self.invoices, &self.subscriptions].iter().all(|f| f.wanted.is_empty())
    }
}

macro_rules! object_columns {
    () => {
        "SELECT object_id, kind, pledge_id, payment_intent_id, invoice_id, subscription_id, customer_id, donor_id, fact \
         FROM stripe_objects WHERE "
    };
}

impl Tx {
    /// Waits until no other process reconciles, and keeps them waiting until this transaction ends.
    pub async fn take_turn(&mut self) -> Result<(), StoreError> {
        self.query("UPDATE turns SET taken = taken + 1 WHERE name = 'reconcile'").run().await.map(|_| ())
    }

    /// Loads everything `news` touches into books that have heard it.
    pub async fn load_books(&mut self, news: Vec<Object>) -> Result<Books, StoreError> {
        let mut books = Books::default();
        let mut reach = Reach::default();
        for object in &news {
            reach.follow(object);
        }
        for _ in 0..MAX_HOPS {
            if reach.done() {
                break;
            }
            for object in self.objects_reached(&mut reach).await? {
                reach.follow(&object);
                books.load_object(object);
            }
        }
        for object in news {
            books.hear(object);
        }
        books.link();
        self.load_pledges(&mut books).await?;
        for row in self
            .list::<PaymentRow>(
                "SELECT stripe_key, pledge_id, status, amount_minor, currency, succeeded_at, day, stripe_charge_id, \
                 stripe_balance_transaction_id FROM payments WHERE stripe_key IN ({?})",
                &books.payment_keys(),
            )
            .await?
        {
            books.load_payment(row.read()?);
        }
        Ok(books)
    }

    async fn objects_reached(&mut self, reach: &mut Reach) -> Result<Vec<Object>, StoreError> {
        let by_id = concat!(object_columns!(), "object_id IN ({?})");
        let by_payment_intent = concat!(object_columns!(), "payment_intent_id IN ({?})");
        let by_invoice = concat!(object_columns!(), "invoice_id IN ({?})");
        // Of all that names a subscription only its session, and what does not know its pledge yet.
        let by_subscription =
            concat!(object_columns!(), "subscription_id IN ({?}) AND (kind = 'checkout_session' OR pledge_id IS NULL)");
        let mut rows: Vec<ObjectRow> = self.list(by_id, &reach.ids.take()).await?;
        rows.extend(self.list::<ObjectRow>(by_payment_intent, &reach.payment_intents.take()).await?);
        rows.extend(self.list::<ObjectRow>(by_invoice, &reach.invoices.take()).await?);
        rows.extend(self.list::<ObjectRow>(by_subscription, &reach.subscriptions.take()).await?);
        rows.into_iter().map(ObjectRow::read).collect()
    }

    /// The pledges the books name and those of the customers they know, with what decides the pledges' statuses.
    async fn load_pledges(&mut self, books: &mut Books) -> Result<(), StoreError> {
        macro_rules! pledges {
            ($where:literal) => {
                concat!(
                    "SELECT id, campaign, source, frequency, status, given_up_at, settled_at, paid_at, \
                     stripe_subscription_id, stripe_customer_id, donor_id FROM pledges WHERE ",
                    $where
                )
            };
        }
        let mut rows: Vec<PledgeRow> = self.list(pledges!("id IN ({?})"), &books.pledges_named()).await?;
        rows.extend(self.list::<PledgeRow>(pledges!("stripe_customer_id IN ({?})"), &books.customers()).await?);
        let mut once = Vec::new();
        let mut recurring = Vec::new();
        for row in rows {
            let pledge = row.read()?;
            if pledge.frequency.recurs() { &mut recurring } else { &mut once }.push(pledge.id.clone());
            books.load_pledge(pledge);
        }
        let decides = concat!(object_columns!(), "pledge_id IN ({?}) AND kind IN ('checkout_session', 'subscription')");
        let all = concat!(object_columns!(), "pledge_id IN ({?})");
        let mut objects: Vec<ObjectRow> = self.list(decides, &recurring).await?;
        objects.extend(self.list::<ObjectRow>(all, &once).await?);
        for row in objects {
            books.load_missing(row.read()?);
        }
        let customers = concat!(object_columns!(), "object_id IN ({?})");
        for row in self.list::<ObjectRow>(customers, &books.customers()).await? {
            books.load_missing(row.read()?);
        }
        Ok(())
    }

    /// Stores donors not yet known and returns the id of each by index.
    pub async fn upsert_donors(
        &mut self,
        donors: &[NewDonor],
        now: i64,
    ) -> Result<HashMap<String, String>, StoreError> {
        if donors.is_empty() {
            return Ok(HashMap::new());
        }
        self.batch(
            "INSERT INTO donors (id, email_index, email_sealed, created_at) VALUES {(?, ?, ?, ?)} \
             ON CONFLICT (email_index) DO NOTHING",
            donors,
            |query, donor| {
                query
                    .bind(donor.id.as_str().to_owned())
                    .bind(donor.email_index.clone())
                    .bind(donor.email_sealed.clone())
                    .bind(now)
            },
        )
        .await?;
        let indexes: Vec<String> = donors.iter().map(|donor| donor.email_index.clone()).collect();
        let rows: Vec<(String, String)> =
            self.list("SELECT email_index, id FROM donors WHERE email_index IN ({?})", &indexes).await?;
        Ok(rows.into_iter().collect())
    }

    /// Writes what the books say is different now, one multi-row statement a table.
    pub async fn write_changes(&mut self, changes: &Changes, random: &Random) -> Result<(), StoreError> {
        self.write_pledges(&changes.pledges).await?;
        self.write_objects(&changes.objects).await?;
        self.batch(
            "INSERT INTO payments (stripe_key, id, pledge_id, status, amount_minor, currency, succeeded_at, day, \
             stripe_charge_id, stripe_balance_transaction_id) VALUES {(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)} \
             ON CONFLICT (stripe_key) DO UPDATE SET pledge_id = excluded.pledge_id, status = excluded.status, \
             amount_minor = excluded.amount_minor, currency = excluded.currency, succeeded_at = excluded.succeeded_at, \
             day = excluded.day, stripe_charge_id = excluded.stripe_charge_id, \
             stripe_balance_transaction_id = excluded.stripe_balance_transaction_id",
            &changes.payments,
            |query, payment| bind_payment(query, payment, &PaymentId::new(random)),
        )
        .await?;
        self.batch(
            "INSERT INTO revenue_daily (day, currency, frequency, campaign, source, payments, gross_minor, refunds_minor, \
             disputes_minor) VALUES {(?, ?, ?, ?, ?, ?, ?, 0, 0)} \
             ON CONFLICT (day, currency, frequency, campaign, source) DO UPDATE SET \
             payments = revenue_daily.payments + excluded.payments, \
             gross_minor = revenue_daily.gross_minor + excluded.gross_minor",
            &changes.revenue,
            bind_revenue,
        )
        .await?;
        Ok(())
    }

    async fn write_objects(&mut self, objects: &[Object]) -> Result<u64, StoreError> {
        self.batch(
            "INSERT INTO stripe_objects (object_id, kind, pledge_id, payment_intent_id, invoice_id, subscription_id, \
             customer_id, donor_id, fact, updated_at) VALUES {(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)} \
             ON CONFLICT (object_id) DO UPDATE SET pledge_id = excluded.pledge_id, \
             payment_intent_id = excluded.payment_intent_id, invoice_id = excluded.invoice_id, \
             subscription_id = excluded.subscription_id, customer_id = excluded.customer_id, donor_id = excluded.donor_id, \
             fact = excluded.fact, updated_at = excluded.updated_at",
            objects,
            |query, object| {
                query
                    .bind(object.id.clone())
                    .bind(object.kind.as_str())
                    .bind(object.links.pledge.clone())
                    .bind(object.links.payment_intent.clone())
                    .bind(object.links.invoice.clone())
                    .bind(object.links.subscription.clone())
                    .bind(object.links.customer.clone())
                    .bind(object.donor_id.clone())
                    .bind(serde_json::to_string(&object.fact).unwrap_or_default())
                    .bind(object.fact.snapshot.at)
            },
        )
        .await
    }

    async fn write_pledges(&mut self, pledges: &[PledgeEntry]) -> Result<u64, StoreError> {
        self.batch(
            "UPDATE pledges SET status = said.column2, settled_at = said.column3, paid_at = said.column4, \
             stripe_subscription_id = said.column5, stripe_customer_id = said.column6, donor_id = said.column7 \
             FROM (VALUES {(CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS TEXT), \
             CAST(? AS TEXT), CAST(? AS TEXT))}) AS said WHERE pledges.id = said.column1",
            pledges,
            |query, pledge| {
                query
                    .bind(pledge.id.clone())
                    .bind(pledge.status.as_str())
                    .bind(pledge.settled_at)
                    .bind(pledge.paid_at)
                    .bind(pledge.stripe_subscription_id.clone())
                    .bind(pledge.stripe_customer_id.clone())
                    .bind(pledge.donor_id.clone())
            },
        )
        .await
    }
}

fn bind_payment<'c>(query: Query<'c>, payment: &Payment, id: &PaymentId) -> Query<'c> {
    query
        .bind(payment.stripe_key.clone())
        .bind(id.as_str().to_owned())
        .bind(payment.pledge_id.clone())
        .bind(payment.status.as_str())
        .bind(payment.amount_minor)
        .bind(payment.currency.clone())
        .bind(payment.succeeded_at)
        .bind(payment.day)
        .bind(payment.stripe_charge_id.clone())
        .bind(payment.stripe_balance_transaction_id.clone())
}

fn bind_revenue<'c>(query: Query<'c>, (key, change): &(RevenueKey, RevenueChange)) -> Query<'c> {
    query
        .bind(key.day)
        .bind(key.currency.clone())
        .bind(key.frequency.as_str())
        .bind(key.campaign.clone())
        .bind(key.source.clone())
        .bind(change.payments)
        .bind(change.gross_minor)
}
