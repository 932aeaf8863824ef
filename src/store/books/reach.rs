//! Which objects news leads to: what it names, and what names it.

use std::collections::BTreeSet;

use crate::domain::facts::{Object, ObjectKind};

/// Objects that name each other are followed this far: refund, charge, payment intent, invoice payment, invoice,
/// subscription, session, customer.
pub(super) const MAX_HOPS: usize = 8;

/// Ids still to be looked up, and those that have been.
#[derive(Default)]
pub(super) struct Frontier {
    wanted: BTreeSet<String>,
    asked: BTreeSet<String>,
}

impl Frontier {
    fn want(&mut self, id: Option<&String>) {
        if let Some(id) = id.filter(|id| !self.asked.contains(*id)) {
            self.wanted.insert(id.clone());
        }
    }

    pub fn take(&mut self) -> Vec<String> {
        let wanted = std::mem::take(&mut self.wanted);
        self.asked.extend(wanted.iter().cloned());
        wanted.into_iter().collect()
    }
}

/// What is known by id, and what names an id.
#[derive(Default)]
pub(super) struct Reach {
    pub ids: Frontier,
    pub payment_intents: Frontier,
    pub charges: Frontier,
    pub invoices: Frontier,
    pub subscriptions: Frontier,
}

impl Reach {
    pub fn follow(&mut self, object: &Object) {
        self.ids.want(Some(&object.id));
        let links = &object.links;
        for id in [&links.payment_intent, &links.charge, &links.invoice, &links.subscription, &links.customer] {
            self.ids.want(id.as_ref());
        }
        self.payment_intents.want(links.payment_intent.as_ref());
        self.charges.want(links.charge.as_ref());
        self.invoices.want(links.invoice.as_ref());
        match object.kind {
            ObjectKind::PaymentIntent => self.payment_intents.want(Some(&object.id)),
            ObjectKind::Charge => self.charges.want(Some(&object.id)),
            ObjectKind::Invoice => self.invoices.want(Some(&object.id)),
            ObjectKind::Subscription => self.subscriptions.want(Some(&object.id)),
            _ => {}
        }
        self.subscriptions.want(links.subscription.as_ref());
    }

    pub fn done(&self) -> bool {
        let all = [&self.ids, &self.payment_intents, &self.charges, &self.invoices, &self.subscriptions];
        all.iter().all(|frontier| frontier.wanted.is_empty())
    }
}
