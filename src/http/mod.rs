//! The HTTP side: routes, extractors, errors. Handlers parse, call one verb, and render.
//!
//! Every error is problem+json with a stable code and the request's id, or a page where people look. No user
//! agent or referrer is read; an address is read only to be hashed ([`limits`]), and none is stored or logged.

pub mod admin;
mod bearer;
pub mod bounces;
pub mod campaigns;
mod client;
pub mod error;
pub mod export;
pub mod extract;
mod form;
pub mod give;
pub mod health;
pub mod limits;
pub mod links;
pub mod manage;
pub mod newsletter;
pub mod openapi;
pub mod pages;
pub mod pledges;
pub mod reminders;
pub mod router;
mod same_site;
pub mod server;
pub mod state;
pub mod webhooks;
pub mod widget;

pub use router::{ops_router, router};
pub use state::{Ops, WebState};
