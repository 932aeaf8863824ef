//! Loading and writing the books: a few set-based statements for a whole batch of events.
//!
//! Whoever reconciles first takes the one turn there is ([`Tx::take_turn`]), so that on PostgreSQL as on SQLite nobody
//! derives a status from facts that another is just changing.

#[macro_use]
mod columns;
mod reach;
mod rebuild;
mod rows;
mod write;

use super::{StoreError, Tx};
use crate::domain::books::Books;
use crate::domain::facts::Object;
use reach::{MAX_HOPS, Reach};
pub use rebuild::RevenueLines;
use rows::{DisputeRow, ObjectRow, PaymentRow, PledgeRow, RefundRow};

impl Tx {
    /// Waits until no other process reconciles, and keeps them waiting until this transaction ends. Returns the time zone
    /// in which this database counts its days, once one is recorded.
    pub async fn take_turn(&mut self) -> Result<Option<String>, StoreError> {
        // A turn that is not counted in `summed` is one of a program that keeps no totals.
        let turn = "UPDATE turns SET taken = taken + 1, summed = summed + 1 WHERE name = 'reconcile' \
                    RETURNING (SELECT value FROM instance WHERE instance.name = 'time_zone') AS zone";
        Ok(self.query(turn).one::<(Option<String>,)>().await?.0)
    }

    /// Loads everything `news` touches into books that have heard it.
    pub async fn load_books(&mut self, news: Vec<Object>) -> Result<Books, StoreError> {
        let mut books = Books::default();
        let mut reach = Reach::default();
        for object in &news {
            reach.follow(object);
        }
        self.load_reached(&mut books, reach).await?;
        for object in news {
            books.hear(object);
        }
        books.link();
        self.load_pledges(&mut books).await?;
        self.load_accounts(&mut books).await?;
        books.forget_donors();
        Ok(books)
    }

    /// The payments the books are about, and what went back of them.
    async fn load_accounts(&mut self, books: &mut Books) -> Result<(), StoreError> {
        // Whether money came after the end is a question to all payments of a pledge.
        let about_or_of_ended =
            concat!(payment_columns!(), "stripe_key IN {?} UNION ", payment_columns!(), "pledge_id IN {?}");
        let rows: Vec<PaymentRow> =
            self.keyed(about_or_of_ended).keys(&books.payment_keys()).keys(&books.ended_pledges()).all().await?;
        for row in rows {
            books.load_payment(row.read()?);
        }
        let reversed = books.reversed_keys();
        let refunds: Vec<RefundRow> = self
            .list(
                "SELECT stripe_refund_id, stripe_key, status, amount_minor, counted_minor, currency, created_at, day \
                 FROM refunds WHERE stripe_key IN {?}",
                &reversed,
            )
            .await?;
        for row in refunds {
            books.load_refund(row.read());
        }
        let disputes: Vec<DisputeRow> = self
            .list(
                "SELECT stripe_dispute_id, stripe_key, status, amount_minor, counted_minor, currency, withdrawn_at, \
                 withdrawn_day, reinstated_at, reinstated_day FROM disputes WHERE stripe_key IN {?}",
                &reversed,
            )
            .await?;
        for row in disputes {
            books.load_dispute(row.read());
        }
        Ok(())
    }

    /// Loads what `reach` wants, and what that leads to.
    async fn load_reached(&mut self, books: &mut Books, mut reach: Reach) -> Result<(), StoreError> {
        for _ in 0..MAX_HOPS {
            if reach.done() {
                break;
            }
            for object in self.objects_reached(&mut reach).await? {
                reach.follow(&object);
                books.load_object(object);
            }
        }
        Ok(())
    }

    async fn objects_reached(&mut self, reach: &mut Reach) -> Result<Vec<Object>, StoreError> {
        // Of all that names a subscription only its session, and what does not know its pledge yet.
        let everything = concat!(
            object_columns!(),
            "object_id IN {?} UNION ALL ",
            object_columns!(),
            "payment_intent_id IN {?} UNION ALL ",
            object_columns!(),
            "charge_id IN {?} UNION ALL ",
            object_columns!(),
            "invoice_id IN {?} UNION ALL ",
            object_columns!(),
            "subscription_id IN {?} AND (kind = 'checkout_session' OR pledge_id IS NULL)"
        );
        let rows: Vec<ObjectRow> = self
            .keyed(everything)
            .keys(&reach.ids.take())
            .keys(&reach.payment_intents.take())
            .keys(&reach.charges.take())
            .keys(&reach.invoices.take())
            .keys(&reach.subscriptions.take())
            .all()
            .await?;
        rows.into_iter().map(ObjectRow::read).collect()
    }

    /// The pledges the books name and those of the customers they know, with what decides the pledges' statuses.
    async fn load_pledges(&mut self, books: &mut Books) -> Result<(), StoreError> {
        let named_or_of_customer =
            concat!(pledge_columns!(), "id IN {?} UNION ", pledge_columns!(), "stripe_customer_id IN {?}");
        let rows: Vec<PledgeRow> =
            self.keyed(named_or_of_customer).keys(&books.pledges_named()).keys(&books.customers()).all().await?;
        let mut once = Vec::new();
        let mut recurring = Vec::new();
        let mut not_begun = Vec::new();
        for row in rows {
            let pledge = row.read()?;
            if pledge.frequency.recurs() && pledge.paid_at.is_none() {
                not_begun.push(pledge.id.clone());
            }
            if pledge.frequency.recurs() { &mut recurring } else { &mut once }.push(pledge.id.clone());
            books.load_pledge(pledge);
        }
        // Attempts to pay count until the first money came; after that there are more of them every month.
        let deciding = concat!(
            object_columns!(),
            "pledge_id IN {?} AND kind IN ('checkout_session', 'subscription') UNION ALL ",
            object_columns!(),
            "pledge_id IN {?} AND kind = 'charge' UNION ALL ",
            object_columns!(),
            "pledge_id IN {?} UNION ALL ",
            object_columns!(),
            "object_id IN {?}"
        );
        let objects: Vec<ObjectRow> =
            self.keyed(deciding).keys(&recurring).keys(&not_begun).keys(&once).keys(&books.customers()).all().await?;
        for row in objects {
            books.load_object(row.read()?);
        }
        Ok(())
    }
}
