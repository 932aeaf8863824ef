//! A file that is not there until it is whole.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{BackupError, beside, folder_of};

/// What the name ends in until the file is whole.
pub(super) const SUFFIX: &str = ".partial";

/// A file under its passing name. Dropped before it is published, it is removed.
#[derive(Debug)]
pub(super) struct Partial {
    /// Locked, so that nobody else writes it. Closed only when it is done with.
    file: File,
    /// Where it is, and where it is to be.
    begun: PathBuf,
    path: PathBuf,
    published: bool,
}

impl Partial {
    /// An empty file beside `path`, for its owner only. What a killed process left there is cleared.
    pub fn create(path: &Path) -> Result<Self, BackupError> {
        if path.symlink_metadata().is_ok() {
            return Err(BackupError::Exists(path.to_owned()));
        }
        let writing = || BackupError::write(path);
        let partial = beside(path, SUFFIX);
        let mut options = File::options();
        options.create(true).truncate(false).read(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&partial).map_err(writing())?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BackupError::Busy(partial)),
            Err(TryLockError::Error(source)) => return Err(writing()(source)),
        }
        let made = Self { file, begun: partial, path: path.to_owned(), published: false };
        made.file.set_len(0).map_err(writing())?;
        #[cfg(unix)]
        made.file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600)).map_err(writing())?;
        Ok(made)
    }

    /// Where it is by now.
    pub fn begun(&self) -> &Path {
        &self.begun
    }

    /// Another handle of the file.
    pub fn handle(&self) -> Result<File, BackupError> {
        self.file.try_clone().map_err(BackupError::write(&self.path))
    }

    /// Brings the file to disk and gives it its name, if nothing has that name; its size in bytes.
    pub fn publish(mut self) -> Result<u64, BackupError> {
        let writing = || BackupError::write(&self.path);
        self.file.sync_all().map_err(writing())?;
        let size = self.file.metadata().map_err(writing())?.len();
        match std::fs::hard_link(&self.begun, &self.path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(BackupError::Exists(self.path.clone()));
            }
            // A file system without links: then by a rename, which might overwrite what came this very moment.
            Err(_) if self.path.symlink_metadata().is_err() => {
                std::fs::rename(&self.begun, &self.path).map_err(writing())?;
            }
            Err(error) => return Err(writing()(error)),
        }
        let _ = std::fs::remove_file(&self.begun);
        self.published = true;
        // The name is to last as well.
        File::open(folder_of(&self.path)).and_then(|folder| folder.sync_all()).map_err(writing())?;
        Ok(size)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.published {
            let _ = std::fs::remove_file(&self.begun);
            // What SQLite may have put beside it.
            let _ = std::fs::remove_file(beside(&self.begun, "-journal"));
        }
    }
}
