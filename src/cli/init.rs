//! `mainstay init`: a commented `mainstay.env` with fresh keys.
//!
//! It must never overwrite: the file may hold the only copy of the vault's private key.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};

use super::{CliError, print};
use crate::config::{ENV_FILE, PREFIX, SETTINGS, Setting};
use crate::id::Random;
use crate::vault::{AdminKey, NewKeys};

const HEAD: &str = "\
# Settings of Mainstay, read from the working directory by every `mainstay` command.
# NAME=VALUE, taken as it stands: no quotes, nothing is expanded. The environment beats this file, flags beat both.
# This file holds secrets. Keep it readable by its owner only, and out of version control.
";

const NEXT: &str = "\
Wrote mainstay.env (mode 0600) with fresh keys.
Next: 1. Set MAINSTAY_PUBLIC_URL, MAINSTAY_TIME_ZONE and MAINSTAY_STRIPE_SECRET_KEY.
      2. Keep a copy of MAINSTAY_VAULT_PRIVATE_KEY and MAINSTAY_VAULT_INDEX_KEY elsewhere, such as in a password
         manager. Without the private key nobody can read what donors are known by, and nobody can restore it.
      3. Run `mainstay migrate` and `mainstay stripe setup`, and set MAINSTAY_STRIPE_WEBHOOK_SECRETS to what it prints.
      4. Run `mainstay doctor`, which tells what is missing, and `mainstay serve`.
";

/// Writes the file into `directory`.
pub(super) fn run(directory: &Path) -> Result<(), CliError> {
    let path = directory.join(ENV_FILE);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&path).map_err(|error| {
        CliError::Failed(if error.kind() == ErrorKind::AlreadyExists {
            format!("{} exists and is left as it is. Move it away first if you want new keys.", path.display())
        } else {
            format!("cannot write {}: {error}. Run it in a directory you may write to.", path.display())
        })
    })?;
    let random = Random::system();
    let text = env_file(&NewKeys::generate(&random), &AdminKey::generate(&random));
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|error| CliError::Failed(format!("cannot write {}: {error}.", path.display())))?;
    print(NEXT)
}

/// The text of the file: every setting in the table's order.
fn env_file(keys: &NewKeys, admin_key: &SecretString) -> String {
    let mut text = HEAD.to_owned();
    for setting in SETTINGS {
        let _ = write!(text, "\n# {}\n# Expected: {}.\n", setting.what, setting.expected);
        text.push_str(&line(setting, keys, admin_key));
    }
    text
}

fn line(setting: &Setting, keys: &NewKeys, admin_key: &SecretString) -> String {
    let name = setting.name;
    let value = match name {
        "VAULT_PUBLIC_KEY" => &keys.public,
        "VAULT_PRIVATE_KEY" => keys.private.expose_secret(),
        "VAULT_INDEX_KEY" => keys.index.expose_secret(),
        "ADMIN_KEY" => admin_key.expose_secret(),
        "PUBLIC_URL" => "http://127.0.0.1:8787",
        // Fixed at the first start, so it stands where it is seen before.
        "TIME_ZONE" => "UTC",
        _ => match setting.default {
            Some(default) => return format!("#{PREFIX}{name}={default}\n"),
            None => "",
        },
    };
    format!("{PREFIX}{name}={value}\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::{Flags, Role, Settings, Sources};

    #[test]
    fn the_file_reads_back_as_settings_that_lack_only_what_stripe_gives() {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path()).unwrap();
        let text = std::fs::read_to_string(folder.path().join(ENV_FILE)).unwrap();
        let load = |variables| Settings::load(Sources::new(Flags::default(), variables, &text), Role::All);

        let missing = load(BTreeMap::new()).unwrap_err().problems;
        let places: Vec<&str> = missing.iter().map(|problem| problem.place.as_str()).collect();
        assert_eq!(places, ["MAINSTAY_STRIPE_SECRET_KEY", "MAINSTAY_STRIPE_WEBHOOK_SECRETS"]);

        let of_stripe = [("STRIPE_SECRET_KEY", "sk_test_1"), ("STRIPE_WEBHOOK_SECRETS", "whsec_1")];
        load(of_stripe.map(|(name, value)| (format!("{PREFIX}{name}"), value.to_owned())).into()).unwrap();
        for setting in SETTINGS {
            assert!(text.contains(setting.what), "{} has its comment", setting.name);
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_its_owners_alone_and_is_never_overwritten() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        run(folder.path()).unwrap();
        let path = folder.path().join(ENV_FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(run(folder.path()), Err(CliError::Failed(what)) if what.contains("is left as it is")));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}
