//! Locks between processes that share one SQLite file.
//!
//! The operating system gives a lock up when its holder ends, however it ends; so nobody has to clean up after a crash.

use std::fs::{File, TryLockError};
use std::path::PathBuf;

use super::AppError;

/// A held lock; dropped, it is given up. Its file stays.
#[derive(Debug)]
pub(super) struct FileLock(#[expect(dead_code, reason = "held, not read")] File);

impl FileLock {
    /// Takes the lock; `None` when another process (or another server in this one) holds it.
    pub fn take(path: PathBuf) -> Result<Option<Self>, AppError> {
        let file = open(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(AppError::Lock { path, source }),
        }
    }

    /// Waits for the lock.
    pub async fn wait(path: PathBuf) -> Result<Self, AppError> {
        let locked = tokio::task::spawn_blocking(move || {
            let file = open(&path)?;
            file.lock().map_err(|source| AppError::Lock { path: path.clone(), source })?;
            Ok((path, file))
        });
        let joined: Result<(PathBuf, File), AppError> = locked
            .await
            .unwrap_or_else(|error| Err(AppError::Lock { path: PathBuf::new(), source: std::io::Error::other(error) }));
        joined.map(|(_, file)| Self(file))
    }
}

fn open(path: &PathBuf) -> Result<File, AppError> {
    let opened = File::options().create(true).truncate(false).write(true).open(path);
    opened.map_err(|source| AppError::Lock { path: path.clone(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_has_one_holder_and_is_free_again_when_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.db.worker-lock");
        let held = FileLock::take(path.clone()).unwrap();
        assert!(held.is_some());
        assert!(FileLock::take(path.clone()).unwrap().is_none());
        drop(held);
        assert!(FileLock::take(path).unwrap().is_some());
    }
}
