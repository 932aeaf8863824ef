//! A stateful stand-in for Stripe that speaks HTTP and signs webhooks.
