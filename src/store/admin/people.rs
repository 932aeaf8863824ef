//! People who may sign in: their role, password, one-time codes and links.

use super::super::{Store, StoreError, Tx};

/// Somebody new. They have no password yet: a link sets it.
#[derive(Debug, Clone)]
pub struct NewAdmin {
    pub id: String,
    pub email_index: String,
    pub email_sealed: Vec<u8>,
    pub role: &'static str,
    pub created_at: i64,
}

/// Somebody who may sign in, or might.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Admin {
    pub id: String,
    pub email_sealed: Vec<u8>,
    pub role: String,
    pub password_hash: Option<String>,
    pub totp_sealed: Option<Vec<u8>>,
    pub totp_confirmed_at: Option<i64>,
    pub created_at: i64,
    pub disabled_at: Option<i64>,
}

/// How somebody's one-time codes are to be.
#[derive(Debug, Clone)]
pub struct TotpState {
    pub sealed: Option<Vec<u8>>,
    pub confirmed_at: Option<i64>,
    /// The step of the code that confirmed it, which is thereby used.
    pub last_step: Option<i64>,
}

impl Store {
    /// Everybody, the oldest first.
    pub async fn admins(&self, most: i64) -> Result<Vec<Admin>, StoreError> {
        self.db
            .read(
                "SELECT id, email_sealed, role, password_hash, totp_sealed, totp_confirmed_at, created_at, disabled_at \
                 FROM admins ORDER BY created_at, id LIMIT $1",
            )
            .bind(most)
            .all()
            .await
    }

    pub async fn admin(&self, id: &str) -> Result<Option<Admin>, StoreError> {
        self.db
            .read(
                "SELECT id, email_sealed, role, password_hash, totp_sealed, totp_confirmed_at, created_at, disabled_at \
                 FROM admins WHERE id = $1",
            )
            .bind(id)
            .maybe()
            .await
    }

    pub async fn admin_by_email(&self, email_index: &str) -> Result<Option<Admin>, StoreError> {
        self.db
            .read(
                "SELECT id, email_sealed, role, password_hash, totp_sealed, totp_confirmed_at, created_at, disabled_at \
                 FROM admins WHERE email_index = $1",
            )
            .bind(email_index)
            .maybe()
            .await
    }

    /// Whether nobody was ever made.
    pub async fn has_no_admin(&self) -> Result<bool, StoreError> {
        let any: Option<(String,)> = self.db.read("SELECT id FROM admins LIMIT 1").maybe().await?;
        Ok(any.is_none())
    }

    /// Whom a link is for; the inner value is none where it makes the first admin. None when there is no such link, or it is
    /// over or used.
    pub async fn admin_link(&self, token_hash: &str, now: i64) -> Result<Option<Option<String>>, StoreError> {
        let live = "SELECT l.admin_id FROM admin_links l WHERE l.token_hash = $1 AND l.expires_at > $2 AND \
                    ((l.admin_id IS NULL AND NOT EXISTS (SELECT 1 FROM admins)) OR EXISTS (SELECT 1 FROM admins a \
                    WHERE a.id = l.admin_id AND a.disabled_at IS NULL))";
        let found: Option<(Option<String>,)> = self.db.read(live).bind(token_hash).bind(now).maybe().await?;
        Ok(found.map(|(admin_id,)| admin_id))
    }

    /// Takes note of a hash made under newer parameters of the same password.
    pub async fn rehash(&self, id: &str, old: &str, new: &str) -> Result<(), StoreError> {
        let rehashed = "UPDATE admins SET password_hash = $1 WHERE id = $2 AND password_hash = $3";
        self.db.write(rehashed).bind(new).bind(id).bind(old).run().await.map(|_| ())
    }

    /// Uses up a one-time code; false when it or a later one was used already.
    pub async fn use_totp(&self, id: &str, step: i64) -> Result<bool, StoreError> {
        let used = "UPDATE admins SET totp_last_step = $1 WHERE id = $2 AND totp_confirmed_at IS NOT NULL \
                    AND (totp_last_step IS NULL OR totp_last_step < $1)";
        Ok(self.db.write(used).bind(step).bind(id).run().await? == 1)
    }

    /// Uses up a recovery code; false when there is none like it.
    pub async fn use_recovery_code(&self, id: &str, code_hash: &str) -> Result<bool, StoreError> {
        let used = "DELETE FROM admin_recovery_codes WHERE code_hash = $1 AND admin_id = $2";
        Ok(self.db.write(used).bind(code_hash).bind(id).run().await? == 1)
    }

    /// Until when nobody who types an address of this bucket is let in; 0 when they may try.
    pub async fn blocked_until(&self, bucket: &str) -> Result<i64, StoreError> {
        let row = self.db.read("SELECT blocked_until FROM admin_failures WHERE bucket = $1").bind(bucket);
        Ok(row.maybe::<(i64,)>().await?.map_or(0, |(until,)| until))
    }

    /// Counts one failure more, and forgets those last seen before `stale`; how many in a row there are.
    pub async fn count_failure(&self, bucket: &str, now: i64, stale: i64) -> Result<i64, StoreError> {
        let mut tx = self.db.begin().await?;
        tx.query("DELETE FROM admin_failures WHERE failed_at < $1").bind(stale).run().await?;
        let (failures,): (i64,) = tx
            .query(
                "INSERT INTO admin_failures (bucket, failures, failed_at, blocked_until) VALUES ($1, 1, $2, 0) \
                 ON CONFLICT (bucket) DO UPDATE SET failures = admin_failures.failures + 1, failed_at = excluded.failed_at \
                 RETURNING failures",
            )
            .bind(bucket)
            .bind(now)
            .one()
            .await?;
        tx.commit().await?;
        Ok(failures)
    }

    /// Lets nobody of this bucket in until then.
    pub async fn block_sign_in(&self, bucket: &str, until: i64) -> Result<(), StoreError> {
        let block = "UPDATE admin_failures SET blocked_until = $1 WHERE bucket = $2";
        self.db.write(block).bind(until).bind(bucket).run().await.map(|_| ())
    }

    /// Forgets the failures of whoever got in.
    pub async fn forgive_failures(&self, bucket: &str) -> Result<(), StoreError> {
        self.db.write("DELETE FROM admin_failures WHERE bucket = $1").bind(bucket).run().await.map(|_| ())
    }
}

impl Tx {
    /// Whether nobody was ever made.
    pub async fn has_no_admin(&mut self) -> Result<bool, StoreError> {
        let any: Option<(String,)> = self.query("SELECT id FROM admins LIMIT 1").maybe().await?;
        Ok(any.is_none())
    }

    /// False when there is somebody of this address.
    pub async fn insert_admin(&mut self, admin: &NewAdmin) -> Result<bool, StoreError> {
        let inserted = self
            .query(
                "INSERT INTO admins (id, email_index, email_sealed, role, created_at) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (email_index) DO NOTHING",
            )
            .bind(admin.id.clone())
            .bind(admin.email_index.clone())
            .bind(admin.email_sealed.clone())
            .bind(admin.role)
            .bind(admin.created_at)
            .run()
            .await?;
        Ok(inserted == 1)
    }

    /// Puts a link in the place of those somebody has; the links for a first admin stand beside each other.
    pub async fn put_admin_link(
        &mut self,
        token_hash: &str,
        admin_id: Option<&str>,
        expires_at: i64,
        now: i64,
    ) -> Result<(), StoreError> {
        let old = "DELETE FROM admin_links WHERE admin_id = $1 OR expires_at <= $2";
        self.query(old).bind(admin_id.map(str::to_owned)).bind(now).run().await?;
        self.query("INSERT INTO admin_links (token_hash, admin_id, expires_at) VALUES ($1, $2, $3)")
            .bind(token_hash)
            .bind(admin_id.map(str::to_owned))
            .bind(expires_at)
            .run()
            .await
            .map(|_| ())
    }

    /// Uses up a link; false when there is none like it any more.
    pub async fn use_admin_link(&mut self, token_hash: &str, now: i64) -> Result<bool, StoreError> {
        let used = "DELETE FROM admin_links WHERE token_hash = $1 AND expires_at > $2";
        Ok(self.query(used).bind(token_hash).bind(now).run().await? == 1)
    }

    pub async fn set_password(&mut self, id: &str, hash: &str) -> Result<(), StoreError> {
        let set = "UPDATE admins SET password_hash = $1 WHERE id = $2";
        self.query(set).bind(hash).bind(id).run().await.map(|_| ())
    }

    /// False when there is no such person, or they have that role.
    pub async fn set_role(&mut self, id: &str, role: &'static str) -> Result<bool, StoreError> {
        let set = "UPDATE admins SET role = $1 WHERE id = $2 AND role <> $1";
        Ok(self.query(set).bind(role).bind(id).run().await? == 1)
    }

    /// Lets somebody no longer sign in, or again. False when it is so already.
    pub async fn set_disabled(&mut self, id: &str, disabled_at: Option<i64>) -> Result<bool, StoreError> {
        let set = if disabled_at.is_some() {
            "UPDATE admins SET disabled_at = $1 WHERE id = $2 AND disabled_at IS NULL"
        } else {
            "UPDATE admins SET disabled_at = $1 WHERE id = $2 AND disabled_at IS NOT NULL"
        };
        Ok(self.query(set).bind(disabled_at).bind(id).run().await? == 1)
    }

    /// Holds the rows of all admins who are not shut out until this transaction ends, so that two of them cannot shut each
    /// other out at once; how many there are.
    pub async fn hold_admins(&mut self) -> Result<u64, StoreError> {
        self.query("UPDATE admins SET role = role WHERE role = 'admin' AND disabled_at IS NULL").run().await
    }

    /// How many admins there are who are not shut out.
    pub async fn count_enabled_admins(&mut self) -> Result<i64, StoreError> {
        let count = "SELECT COUNT(*) FROM admins WHERE role = 'admin' AND disabled_at IS NULL";
        Ok(self.query(count).one::<(i64,)>().await?.0)
    }

    /// Sets one-time codes up, or away.
    pub async fn set_totp(&mut self, id: &str, totp: TotpState) -> Result<(), StoreError> {
        self.query("UPDATE admins SET totp_sealed = $1, totp_confirmed_at = $2, totp_last_step = $3 WHERE id = $4")
            .bind(totp.sealed)
            .bind(totp.confirmed_at)
            .bind(totp.last_step)
            .bind(id)
            .run()
            .await
            .map(|_| ())
    }

    /// Puts these recovery codes in the place of those somebody had.
    pub async fn put_recovery_codes(&mut self, id: &str, hashes: &[String]) -> Result<(), StoreError> {
        self.query("DELETE FROM admin_recovery_codes WHERE admin_id = $1").bind(id).run().await?;
        let rows: Vec<(String, String)> = hashes.iter().map(|hash| (hash.clone(), id.to_owned())).collect();
        let insert = "INSERT INTO admin_recovery_codes (code_hash, admin_id) VALUES {(?, ?)}";
        self.batch(insert, &rows, |query, (hash, id)| query.bind(hash.clone()).bind(id.clone())).await.map(|_| ())
    }
}
