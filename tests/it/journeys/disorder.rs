//! The same events in other orders, more than once, from many at a time: the same books.

use mainstay::domain::books::RevenueChange;
use mainstay::store::RevenueLines;

use super::*;
use crate::support::desk::Desk;
use crate::support::reports::totals_hold;

/// The books after hearing `events` in this order, worked off after every `every` of them.
pub async fn told(story: &Story, kind: Kind, events: &[&SentEvent], every: usize) -> Vec<String> {
    let database = story.untold(kind).await;
    let desk = Desk::open(&database, story.now).await;
    for chunk in events.chunks(every) {
        for event in chunk {
            desk.hear(event).await;
        }
        desk.work().await;
    }
    let counts = desk.store.count_events().await.expect("events are counted");
    assert_eq!((counts["received"], counts["parked"]), (0, 0), "{counts:?}");
    let mut tx = desk.store.begin().await.expect("a transaction");
    let (kept, summed) = (tx.revenue_kept().await.expect("kept"), tx.revenue_summed().await.expect("summed"));
    tx.rollback().await.expect("it ends");
    let of_something = kept.into_iter().filter(|(_, line)| *line != RevenueChange::default()).collect::<RevenueLines>();
    let summed = summed.into_iter().filter(|(_, line)| *line != RevenueChange::default()).collect::<RevenueLines>();
    assert_eq!(of_something, summed, "the daily revenue is the sum of the payments");
    totals_hold(&desk.store, &format!("on {kind:?}")).await;
    let books = database.books().await;
    desk.store.close().await;
    books
}

pub fn shuffled(events: &[SentEvent], seed: u64) -> Vec<&SentEvent> {
    let random = Random::seeded(seed);
    let mut events: Vec<&SentEvent> = events.iter().collect();
    for n in (1..events.len()).rev() {
        let other = usize::try_from(random.below(n as u64 + 1)).expect("small");
        events.swap(n, other);
    }
    events
}

#[track_caller]
pub fn same(books: &[String], expected: &[String], how: &str) {
    let missing: Vec<_> = expected.iter().filter(|line| !books.contains(line)).collect();
    let extra: Vec<_> = books.iter().filter(|line| !expected.contains(line)).collect();
    assert!(missing.is_empty() && extra.is_empty(), "{how}: missing {missing:#?}, instead {extra:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_in_order_reversed_and_one_at_a_time_end_in_the_same_books() {
    for kind in BOTH {
        let story = story(kind).await;
        let in_order: Vec<&SentEvent> = story.events.iter().collect();
        let reversed: Vec<&SentEvent> = story.events.iter().rev().collect();
        same(&told(&story, kind, &in_order, usize::MAX).await, &story.books, "in order");
        same(&told(&story, kind, &reversed, usize::MAX).await, &story.books, "reversed");
        same(&told(&story, kind, &reversed, 1).await, &story.books, "reversed, one at a time");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_in_any_order_end_in_the_same_books() {
    for kind in BOTH {
        let story = story(kind).await;
        let runtime = tokio::runtime::Handle::current();
        let rounds = if kind == Kind::Sqlite { 24 } else { 8 };
        let config = proptest::test_runner::Config { cases: rounds, failure_persistence: None, ..Default::default() };
        let mut runner = proptest::test_runner::TestRunner::new(config);
        tokio::task::block_in_place(|| {
            runner.run(&(proptest::num::u64::ANY, 1_usize..80), |(seed, every)| {
                let books = runtime.block_on(told(&story, kind, &shuffled(&story.events, seed), every));
                same(&books, &story.books, &format!("seed {seed}, worked off after every {every}, on {kind:?}"));
                Ok(())
            })
        })
        .expect("every order leads to the same books");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_delivered_five_times_by_twenty_at_once_count_once() {
    for kind in BOTH {
        let story = story(kind).await;
        // All of it is heard at its end, when whoever gave, or stopped giving, at its beginning would be known no more.
        let keep = [("KEEP_ONCE_DAYS", "3650"), ("KEEP_RECURRING_DAYS", "3650")];
        let app = TestApp::start_with(kind, &keep).await;
        story.begin(app.store()).await;
        app.clock.advance(story.now - app.clock.now());
        let app = Arc::new(app);
        let mut posts = tokio::task::JoinSet::new();
        // Twenty tasks, four of which share one telling of the story between them: five times over.
        for task in 0..20_usize {
            let app = Arc::clone(&app);
            let (telling, share) = (task / 4, task % 4);
            let seed = u64::try_from(telling).expect("small");
            let events = shuffled(&story.events, seed).into_iter().skip(share).step_by(4);
            let bodies: Vec<Vec<u8>> = events.map(|event| event.body.clone()).collect();
            posts.spawn(async move {
                for body in &bodies {
                    assert_eq!(app.deliver(body).await, 200);
                }
            });
        }
        while let Some(posted) = posts.join_next().await {
            posted.expect("every delivery is taken");
        }
        app.caught_up().await;
        same(&app.database.books().await, &story.books, "five times over");
        Arc::into_inner(app).expect("all tasks are done").finish().await;
    }
}
