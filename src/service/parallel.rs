//! Work that only computes, on all cores at once.

use std::panic::resume_unwind;
use std::sync::LazyLock;
use std::thread;

/// A thread is worth its start for so many items.
const LEAST: usize = 16;

/// Asked once: the answer comes out of files of the system.
static CORES: LazyLock<usize> = LazyLock::new(|| thread::available_parallelism().map_or(1, usize::from));

/// What `make` makes of each item, in their order. The caller's thread works too and is back when all are done; few items
/// are its own alone.
pub fn map<T: Sync, R: Send>(items: &[T], make: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let lanes = (*CORES).min(items.len() / LEAST).max(1);
    let mut rest = items.chunks(items.len().div_ceil(lanes).max(1));
    let own = rest.next().unwrap_or_default();
    let make = &make;
    thread::scope(|scope| {
        let others: Vec<_> = rest.map(|part| scope.spawn(move || part.iter().map(make).collect::<Vec<R>>())).collect();
        let mut all: Vec<R> = own.iter().map(make).collect();
        for other in others {
            all.append(&mut other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        all
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_item_is_there_once_and_in_its_place() {
        for many in [0, 1, LEAST - 1, 2 * LEAST, 2 * LEAST + 1, 1000] {
            let items: Vec<usize> = (0..many).collect();
            let doubled: Vec<usize> = items.iter().map(|item| item * 2).collect();
            assert_eq!(map(&items, |item| item * 2), doubled, "{many}");
        }
    }

    #[test]
    fn few_items_stay_on_the_callers_thread_and_many_do_not_where_there_are_cores() {
        let threads =
            |many: usize| map(&vec![(); many], |()| thread::current().id()).into_iter().collect::<HashSet<_>>();
        assert_eq!(threads(2 * LEAST - 1), HashSet::from([thread::current().id()]));
        assert_eq!(threads(100 * LEAST).len(), *CORES);
    }

    #[test]
    fn a_panic_in_any_of_them_is_the_callers() {
        let items: Vec<usize> = (0..10 * LEAST).collect();
        let last = items.len() - 1;
        assert!(std::panic::catch_unwind(|| map(&items, |item| assert_ne!(*item, last))).is_err());
    }
}
