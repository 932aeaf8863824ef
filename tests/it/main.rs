//! The one integration-test binary: one file per behaviour, one private PostgreSQL cluster and one ChromeDriver for all.
//!
//! Everything is under `cfg(test)`, so that clippy lets helpers say `expect` as it lets the tests themselves.

#[cfg(test)]
mod acting;
#[cfg(test)]
mod admin;
#[cfg(test)]
mod adopt;
#[cfg(test)]
mod backups;
#[cfg(test)]
mod bounces;
#[cfg(test)]
mod campaign_pages;
#[cfg(test)]
mod campaigns;
#[cfg(test)]
mod changing;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod crashes_later;
#[cfg(test)]
mod cuts;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod erase;
#[cfg(test)]
mod evidence;
#[cfg(test)]
mod export;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod giving;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod journeys;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod mail;
#[cfg(test)]
mod mail_program;
#[cfg(test)]
mod mail_texts;
#[cfg(test)]
mod manage;
#[cfg(test)]
mod newsletter;
#[cfg(test)]
mod newsroom;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod order;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod parked;
#[cfg(test)]
mod pledges;
#[cfg(test)]
mod privacy;
#[cfg(test)]
mod rebuild;
#[cfg(test)]
mod receipts;
#[cfg(test)]
mod refunds;
#[cfg(test)]
mod reminders;
#[cfg(test)]
mod reports;
#[cfg(test)]
mod retention;
#[cfg(test)]
mod settlement;
#[cfg(test)]
mod shapes;
#[cfg(test)]
mod shutdown;
#[cfg(test)]
mod spent;
#[cfg(test)]
mod statements;
#[cfg(test)]
mod stripe_setup;
#[cfg(test)]
mod support;
#[cfg(test)]
mod sweep;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod time_zone;
#[cfg(test)]
mod upgrade;
#[cfg(test)]
mod webhooks;
#[cfg(test)]
mod widget;
#[cfg(test)]
mod workers;
