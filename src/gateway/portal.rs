//! Stripe's own page, on which a donor changes the card.

use stripe_billing::BillingPortalSessionLocale;
use stripe_billing::billing_portal_session::{
    CreateBillingPortalSession, CreateBillingPortalSessionFlowData, CreateBillingPortalSessionFlowDataType,
};

use super::{CallError, Gateway};
use crate::domain::language::Language;

impl Gateway {
    /// The address of a page where a customer changes the card, and comes back from to `return_url`. Each visit has its own,
    /// which does not last.
    pub async fn portal_session(
        &self,
        customer: &str,
        return_url: &str,
        language: Language,
    ) -> Result<String, CallError> {
        let create = CreateBillingPortalSession::new()
            .customer(customer)
            .flow_data(CreateBillingPortalSessionFlowData::new(
                CreateBillingPortalSessionFlowDataType::PaymentMethodUpdate,
            ))
            .return_url(return_url);
        let Ok(locale) = language.as_str().parse::<BillingPortalSessionLocale>();
        let create = create.locale(locale);
        // Without a key of ours: a session that is made twice harms nobody.
        self.send(&create).await.map(|session| session.url)
    }
}
