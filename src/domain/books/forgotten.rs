//! Of forgotten pledges only money is learned: whatever belongs to one tells nothing of who gave it.

use super::Books;
use crate::domain::facts::{Object, ObjectKind};

impl Books {
    /// Takes the donor out of what belongs to forgotten pledges. To be called once the pledges are there.
    pub fn forget_donors(&mut self) {
        let naming = |object: &Object| object.donor_id.is_some() && self.is_forgotten(object);
        let places: Vec<usize> =
            self.objects.iter().enumerate().filter(|(_, object)| naming(object)).map(|(place, _)| place).collect();
        for place in places {
            let Some(object) = self.objects.get_mut(place) else { continue };
            object.fact.donor_as_of = None;
            self.unnamed.extend(object.donor_id.take());
            self.changed.insert(place);
        }
    }

    /// The donors that forgotten pledges would have named.
    pub fn donors_unnamed(&self) -> Vec<String> {
        self.unnamed.iter().cloned().collect()
    }

    /// Whether the object of this id belongs to a forgotten pledge.
    pub fn forgets(&self, object_id: &str) -> bool {
        self.object(object_id).is_some_and(|object| self.is_forgotten(object))
    }

    /// The donors that what was heard names.
    pub fn donors_heard_of(&self) -> impl Iterator<Item = &str> {
        self.changed.iter().filter_map(|place| self.objects.get(*place)?.donor_id.as_deref())
    }

    /// What names no pledge belongs to its customer's, and a customer is forgotten with the last of them.
    fn is_forgotten(&self, object: &Object) -> bool {
        if !self.some_forgotten {
            return false;
        }
        if let Some(pledge) = object.links.pledge.as_ref().and_then(|id| self.pledges.get(id)) {
            return pledge.forgotten;
        }
        let customer =
            if object.kind == ObjectKind::Customer { Some(&object.id) } else { object.links.customer.as_ref() };
        let Some(customer) = customer else { return false };
        let mut pledges =
            self.pledges.values().filter(|pledge| pledge.stripe_customer_id.as_ref() == Some(customer)).peekable();
        pledges.peek().is_some() && pledges.all(|pledge| pledge.forgotten)
    }
}
