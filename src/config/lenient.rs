//! What of the settings can be used, however wrong the rest is.

use std::path::PathBuf;

use secrecy::SecretString;
use url::Url;

use crate::domain::retention::Periods;

use super::parse::{Reader, api_url, origins, proxies, public_key};
use super::{
    AdminSettings, DatabaseUrl, MailSettings, NewsroomZone, Origin, Problem, Role, Settings, Sources, StripeKey,
};

/// Each setting that is right, and everything that is wrong. For whoever reports it rather than stops at it.
#[derive(Debug, Clone)]
pub struct LenientSettings {
    pub problems: Vec<Problem>,
    /// Files that variables name and that hold secrets.
    pub secret_files: Vec<PathBuf>,
    pub database_url: Option<DatabaseUrl>,
    pub time_zone: Option<NewsroomZone>,
    pub public_url: Option<Origin>,
    pub allowed_origins: Option<Vec<Origin>>,
    pub trusted_proxies: Option<usize>,
    pub stripe_secret_key: Option<StripeKey>,
    pub stripe_api_url: Option<Url>,
    pub vault_public_key: Option<String>,
    pub vault_private_key: Option<SecretString>,
    pub vault_index_key: Option<SecretString>,
    pub admin: Option<AdminSettings>,
    pub mail: Option<MailSettings>,
    pub keep: Option<Periods>,
}

impl LenientSettings {
    /// Reads every setting; what is wrong is what `serve` would stop at.
    pub fn load(sources: &Sources) -> Self {
        let problems = Settings::load(sources.clone(), Role::All).err().map(|error| error.problems);
        let mut reader = Reader::new(sources.clone());
        Self {
            problems: problems.unwrap_or_default(),
            secret_files: sources.secret_files(),
            database_url: reader.get("DATABASE_URL", DatabaseUrl::parse),
            time_zone: reader.get("TIME_ZONE", NewsroomZone::parse),
            public_url: reader.get("PUBLIC_URL", Origin::parse),
            allowed_origins: reader.get("ALLOWED_ORIGINS", origins),
            trusted_proxies: reader.get("TRUSTED_PROXIES", proxies),
            stripe_secret_key: reader.get("STRIPE_SECRET_KEY", StripeKey::parse),
            stripe_api_url: reader.get("STRIPE_API_URL", api_url),
            vault_public_key: reader.get("VAULT_PUBLIC_KEY", public_key),
            vault_private_key: reader.private_key(),
            vault_index_key: reader.index_key(),
            admin: reader.admin(),
            mail: reader.mail(),
            keep: reader.keep(),
        }
    }
}
