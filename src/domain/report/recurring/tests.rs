use proptest::prelude::*;

use super::*;
use crate::domain::money::Currency;
use crate::domain::pledge::Frequency;
use crate::domain::report::By;
use crate::domain::report::query::{Name, Only, Split, View};
use crate::domain::report::standing::Told;

const DAY: i64 = 86_400;
/// 2026-01-01 in UTC.
const NEW_YEAR: i64 = 1_767_225_600;

fn query(period: Option<By>) -> Query {
    Query {
        name: Name::Recurring,
        from: "2026-02-01".parse().unwrap(),
        to: "2026-05-01".parse().unwrap(),
        split: Split { period, ..Split::default() },
        only: Only::default(),
        view: View::Charge,
    }
}

fn running(arr_minor: i64) -> Standing {
    Standing::Running { arr_minor, leaving: false, overdue: false }
}

fn leaving(arr_minor: i64) -> Standing {
    Standing::Running { arr_minor, leaving: true, overdue: false }
}

fn overdue(arr_minor: i64) -> Standing {
    Standing::Running { arr_minor, leaving: false, overdue: true }
}

fn history(donor: &str, points: &[(i64, Standing)]) -> History {
    let mut history = History {
        currency: Currency::USD,
        frequency: Frequency::Monthly,
        campaign: "default".to_owned(),
        source: String::new(),
        donor: donor.to_owned(),
        points: Vec::new(),
        disputed_at: Vec::new(),
    };
    for (day, standing) in points {
        history.stand(Point { at: NEW_YEAR + day * DAY, standing: *standing, told: Told::default() });
    }
    history
}

/// What moved from February to April, as `movement count arr`.
fn moved(histories: &[History]) -> Vec<String> {
    let lines = lines(&query(None), histories, &TimeZone::UTC).unwrap();
    let movements = lines.values().flat_map(|line| &line.movements);
    movements.map(|(movement, many)| format!("{movement:?} {} {}", many.count, many.arr_minor)).collect()
}

#[test]
fn each_change_is_the_movement_it_is() {
    use Standing::{Gone, Paused};
    let paused = Paused { arr_minor: 1200 };
    for (points, expected) in [
        (vec![(40, running(1200))], vec!["New 1 1200"]),
        (vec![(1, running(1200)), (5, Gone), (40, running(600))], vec!["Reactivated 1 600"]),
        (vec![(1, running(1200)), (40, running(2400))], vec!["Expansion 1 1200"]),
        (vec![(1, running(2400)), (40, running(1200))], vec!["Contraction 1 1200"]),
        (vec![(1, running(1200)), (40, paused), (41, running(1200))], vec!["Resumed 1 1200", "Paused 1 1200"]),
        (vec![(1, running(1200)), (40, leaving(1200)), (50, Gone)], vec!["Asked 1 1200"]),
        (vec![(1, running(1200)), (40, leaving(1200))], vec![]),
        (vec![(1, running(1200)), (40, overdue(1200)), (50, Gone)], vec!["FailedPayment 1 1200"]),
        (vec![(1, running(1200)), (40, overdue(1200)), (50, running(1200))], vec![]),
        (vec![(1, running(1200)), (50, Gone)], vec!["Newsroom 1 1200"]),
        (vec![(1, running(1200)), (31, Gone)], vec!["Newsroom 1 1200"]),
        (vec![(1, running(1200)), (30, Gone)], vec![]),
        (vec![(1, running(1200)), (40, paused), (50, Gone)], vec!["Paused 1 1200"]),
    ] {
        assert_eq!(moved(&[history("dnr_1", &points)]), expected, "{points:?}");
    }
    let disputed = |at| History { disputed_at: vec![at], ..history("dnr_1", &[(1, leaving(1200)), (119, Gone)]) };
    let end = NEW_YEAR + 119 * DAY;
    assert_eq!(moved(&[disputed(end - DISPUTED_WITHIN)]), ["Disputed 1 1200"]);
    assert_eq!(moved(&[disputed(end - DISPUTED_WITHIN - 1)]), ["Asked 1 1200"]);
    assert_eq!(moved(&[disputed(end + 1)]), ["Asked 1 1200"]);
    let told = Told { asked: false, unpaid: true };
    let mut unpaid = history("dnr_1", &[(1, running(1200))]);
    unpaid.stand(Point { at: NEW_YEAR + 60 * DAY, standing: Gone, told });
    assert_eq!(moved(&[unpaid]), ["FailedPayment 1 1200"]);
}

#[test]
fn a_donor_who_comes_back_with_another_gift_is_reactivated_and_one_who_adds_a_gift_is_not() {
    let first = history("dnr_1", &[(1, running(1200)), (5, Standing::Gone)]);
    let again = history("dnr_1", &[(40, running(2400))]);
    assert_eq!(moved(&[first, again.clone()]), ["Reactivated 1 2400"]);
    let still = history("dnr_1", &[(1, running(1200))]);
    assert_eq!(moved(&[still, again.clone()]), ["New 1 2400"]);
    let other = history("dnr_2", &[(1, running(1200)), (5, Standing::Gone)]);
    assert_eq!(moved(&[other, again]), ["New 1 2400"]);
}

#[test]
fn a_month_shows_what_runs_what_will_end_and_what_rests_and_rates_its_churn() {
    let histories = [
        history("dnr_1", &[(1, running(6_006))]),
        history("dnr_2", &[(1, running(1_200)), (70, leaving(1_200))]),
        history("dnr_3", &[(1, running(2_400)), (75, Standing::Paused { arr_minor: 2_400 })]),
        history("dnr_4", &[(1, running(1_000)), (80, Standing::Gone)]),
    ];
    let lines = lines(&query(Some(By::Month)), &histories, &TimeZone::UTC).unwrap();
    let rows = rows(&query(Some(By::Month)), &lines);
    assert_eq!(rows.len(), 3);
    let march = &rows[1];
    let money = |minor| Cell::Money(Money::new(minor, Currency::USD));
    assert_eq!(
        march[..4],
        [Cell::Text("2026-03".to_owned()), Cell::Text("USD".to_owned()), Cell::Count(4), money(10_606)]
    );
    let end = &march[march.len() - 8..];
    let closing =
        [Cell::Count(2), money(7_206), money(600), Cell::Count(1), money(1_200), Cell::Count(1), money(2_400)];
    assert_eq!(end[..7], closing, "7206 / 12 is 600.5, and the even one is 600");
    assert_eq!(end[7], Cell::Rate { part: 1, of: 4 });
}

#[test]
fn by_source_few_people_are_not_told_and_nor_is_what_would_tell_them() {
    let histories: Vec<History> = (0..6)
        .map(|nth| History {
            source: if nth == 0 { "letter" } else { "widget" }.to_owned(),
            ..history(&format!("dnr_{nth}"), &[(40, running(1200))])
        })
        .collect();
    let asked = Query { split: Split { source: true, ..Split::default() }, ..query(None) };
    let rows = rows(&asked, &lines(&asked, &histories, &TimeZone::UTC).unwrap());
    let (letter, widget) = (&rows[0], &rows[1]);
    assert_eq!((&letter[4], &widget[4]), (&Cell::Few, &Cell::Count(5)), "new");
    assert!(!letter.contains(&Cell::Count(1)), "{letter:?}");
}

fn standings() -> impl Strategy<Value = Standing> {
    prop_oneof![
        3 => (1..50_000_i64, any::<bool>(), any::<bool>())
            .prop_map(|(arr_minor, leaving, overdue)| Standing::Running { arr_minor, leaving, overdue }),
        1 => (1..50_000_i64).prop_map(|arr_minor| Standing::Paused { arr_minor }),
        2 => Just(Standing::Gone),
    ]
}

prop_compose! {
    fn histories_of_one()(
        donor in 0..6_u8,
        usd in any::<bool>(),
        source in 0..3_u8,
        mut points in prop::collection::vec((0..200 * DAY, standings(), any::<bool>(), any::<bool>()), 0..12),
        disputed_at in prop::collection::vec(NEW_YEAR..NEW_YEAR + 200 * DAY, 0..2),
    ) -> History {
        points.sort_by_key(|point| point.0);
        let mut history = History {
            currency: if usd { Currency::USD } else { Currency::parse("EUR").unwrap() },
            source: format!("source-{source}"),
            disputed_at,
            ..history(&format!("dnr_{donor}"), &[])
        };
        for (at, standing, asked, unpaid) in points {
            history.stand(Point { at: NEW_YEAR + at, standing, told: Told { asked, unpaid } });
        }
        history
    }
}

/// What stands at a moment, looked up history by history.
fn stands(histories: &[History], group: &Group, query: &Query, at: i64) -> Stock {
    let mut stock = Stock::default();
    for history in histories {
        let own = Group::new(query, history.currency, history.frequency, &history.campaign, &history.source);
        let last = history.points.iter().rev().find(|point| point.at < at);
        if own == *group {
            stock.count(last.map_or(Standing::Gone, |point| point.standing), 1).unwrap();
        }
    }
    stock
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn opening_and_movements_are_the_closing(
        histories in prop::collection::vec(histories_of_one(), 0..12),
        by in 0..5_usize,
        source in any::<bool>(),
        zone in prop::sample::select(vec!["UTC", "Europe/Riga", "America/New_York"]),
    ) {
        let zone = TimeZone::get(zone).unwrap();
        let mut asked = query(By::ALL.get(by).copied());
        asked.split.source = source;
        let lines = lines(&asked, &histories, &zone).unwrap();
        let mut before: BTreeMap<Group, Stock> = BTreeMap::new();
        for period in asked.periods() {
            let (from, to) = (begins_at(period.from, &zone), begins_at(period.to, &zone));
            let of_period = lines.iter().filter(|((name, _), _)| *name == period.name);
            let mut after = BTreeMap::new();
            for ((_, group), line) in of_period {
                let (mut count, mut arr) = (line.opening.running.count, line.opening.running.arr_minor);
                for (movement, many) in &line.movements {
                    prop_assert!(many.count > 0 && many.arr_minor > 0, "{movement:?} {many:?}");
                    count += movement.sign() * many.count;
                    arr += if movement.takes() { -many.arr_minor } else { many.arr_minor };
                }
                prop_assert_eq!((count, arr), (line.closing.running.count, line.closing.running.arr_minor));
                prop_assert_eq!(line.opening, stands(&histories, group, &asked, from));
                prop_assert_eq!(line.closing, stands(&histories, group, &asked, to));
                if period.from != asked.from {
                    prop_assert_eq!(line.opening, before.get(group).copied().unwrap_or_default());
                }
                after.insert(group.clone(), line.closing);
            }
            before = after;
        }
        prop_assert_eq!(rows(&asked, &lines).len() % asked.periods().len(), 0);
    }
}
