//! The columns that several statements read, each up to its condition.

macro_rules! object_columns {
    () => {
        "SELECT object_id, kind, pledge_id, payment_intent_id, charge_id, invoice_id, subscription_id, customer_id, \
         donor_id, fact FROM stripe_objects WHERE "
    };
}

macro_rules! pledge_columns {
    () => {
        "SELECT id, campaign, source, frequency, status, given_up_at, settled_at, paid_at, ended_at, paid_after_end_at, spent_at, \
         stripe_subscription_id, stripe_customer_id, donor_id, forgotten_at FROM pledges WHERE "
    };
}

macro_rules! payment_columns {
    () => {
        "SELECT stripe_key, pledge_id, status, amount_minor, currency, succeeded_at, day, failed_at, stripe_charge_id, \
         stripe_balance_transaction_id FROM payments WHERE "
    };
}
