//! What a test's thread logs, kept in memory.

use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry;

/// A writer for `tracing`. Clones write to the same place.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Everything this thread logs from now on, at every level, as long as the guard lives.
    pub fn of_this_thread() -> (Self, DefaultGuard) {
        // A lone subscriber is not asked by `tracing` what it wants: the thread that first comes to a place decides for all.
        // A second one, which nothing is sent to, keeps other tests from silencing what is listened to here.
        static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(registry().with(LevelFilter::TRACE)));
        LazyLock::force(&SECOND);
        let log = Self::default();
        let layer = tracing_subscriber::fmt::layer().with_writer(log.clone());
        (log, tracing::subscriber::set_default(registry().with(LevelFilter::TRACE).with(layer)))
    }

    /// Everything logged so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
