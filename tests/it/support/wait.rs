//! Waiting for what a page comes to: bounded, and for the thing itself instead of a time that somebody guessed.

use std::time::Duration;

/// How long a page may take over anything. A page that is well takes a small part of it.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How often somebody looks. Each look costs the browser a turn.
pub const PAUSE: Duration = Duration::from_millis(50);

/// Looks until there is something to see, and returns it.
///
/// # Panics
/// With `what`, when there is still nothing after [`PATIENCE`].
pub async fn until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, what, look).await
}

async fn within<T>(patience: Duration, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let seen = async {
        let mut looks = tokio::time::interval(PAUSE);
        loop {
            looks.tick().await;
            if let Some(seen) = look().await {
                return seen;
            }
        }
    };
    tokio::time::timeout(patience, seen).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_ends_with_what_was_waited_for() {
        let mut looks = 0;
        let seen = until("a third look", async || {
            looks += 1;
            (looks == 3).then_some("seen")
        });
        assert_eq!(seen.await, "seen");
    }

    #[tokio::test]
    #[should_panic(expected = "waited in vain for a miracle")]
    async fn waiting_in_vain_ends_and_says_what_did_not_come() {
        within(PAUSE, "a miracle", async || None::<()>).await;
    }
}
