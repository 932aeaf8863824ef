use super::*;

fn seen(kind: ObjectKind, at: i64, step: u8, event: &str, state: State) -> Object {
    let (grade, rank) = state.order();
    Object {
        id: "x_1".to_owned(),
        kind,
        links: Links { customer: (at > 10).then(|| "cus_1".to_owned()), ..Links::default() },
        donor_id: None,
        fact: Fact {
            snapshot: Snapshot { grade, at, step, rank, event: event.to_owned() },
            state,
            after: Vec::new(),
            rivals: Vec::new(),
            evidence: Evidence::default(),
            donor_as_of: None,
        },
    }
}

fn invoice(at: i64, status: &str, event: &str) -> Object {
    let state = State::Invoice {
        status: status.to_owned(),
        due_minor: 200,
        paid_minor: if status == "paid" { 200 } else { 0 },
        currency: "EUR".to_owned(),
    };
    let mut object = seen(ObjectKind::Invoice, at, 1, event, state);
    object.fact.evidence.succeeded_at = (status == "paid").then_some(at);
    object
}

fn costs(amount_minor: i64) -> State {
    State::Subscription {
        status: "active".to_owned(),
        paused: false,
        cancel_at_period_end: false,
        cancel_at: None,
        period_end: None,
        amount_minor: Some(amount_minor),
        currency: "EUR".to_owned(),
        interval: None,
        billing: Billing::default(),
    }
}

/// An update of second 10 to an amount, from another amount if Stripe said so.
fn update(amount_minor: i64, from: Option<i64>, event: &str) -> Object {
    let mut object = seen(ObjectKind::Subscription, 10, 3, event, costs(amount_minor));
    object.fact.after = from.map(costs).into_iter().collect();
    object
}

/// Every order of `heard`, each with one thing heard twice, must come to the same fact.
fn joined(heard: &[Object]) -> Object {
    let mut orders: Vec<Vec<usize>> = vec![Vec::new()];
    for n in 0..heard.len() {
        let longer = |order: &Vec<usize>| {
            let order = order.clone();
            (0..=order.len()).map(move |at| {
                let mut longer = order.clone();
                longer.insert(at, n);
                longer
            })
        };
        orders = orders.iter().flat_map(longer).collect();
    }
    let tell = |order: &Vec<usize>| {
        let mut all = order.iter().chain(order.first()).map(|n| heard[*n].clone());
        let mut object = all.next().unwrap();
        all.for_each(|news| object.join(news));
        object
    };
    let first = tell(&orders[0]);
    for order in &orders {
        assert_eq!(tell(order), first, "{order:?}");
    }
    first
}

#[test]
fn every_order_of_the_same_snapshots_ends_in_the_same_fact() {
    // Stripe's own first invoice is draft, open and paid within one second.
    let object = joined(&[
        invoice(10, "draft", "evt_3"),
        invoice(10, "open", "evt_2"),
        invoice(10, "paid", "evt_1"),
        invoice(12, "open", "evt_4"),
    ]);
    assert_eq!(object.fact.state, invoice(10, "paid", "").fact.state);
    assert_eq!(object.links.customer.as_deref(), Some("cus_1"));
    assert!(object.fact.is_settled());
}

#[test]
fn of_two_updates_in_one_second_the_one_that_came_from_the_other_is_the_newer() {
    for (one, two) in [("evt_1", "evt_2"), ("evt_2", "evt_1")] {
        let object = joined(&[update(500, Some(200), one), update(900, Some(500), two)]);
        assert_eq!(object.fact.state, costs(900));
        assert!(object.fact.is_settled());
    }
    let three =
        joined(&[update(500, Some(200), "evt_3"), update(900, Some(500), "evt_2"), update(100, Some(900), "evt_1")]);
    assert_eq!(three.fact.state, costs(100), "a chain of three");
    assert!(three.fact.is_settled());
}

#[test]
fn what_came_from_each_other_or_says_nothing_is_not_settled_until_something_newer_is_heard() {
    let unsaid = [update(500, None, "evt_1"), update(900, None, "evt_2")];
    let circle = [update(500, Some(900), "evt_1"), update(900, Some(500), "evt_2")];
    for rivals in [unsaid, circle] {
        assert!(!joined(&rivals).fact.is_settled());
        let [one, two] = rivals;
        let fetched = seen(ObjectKind::Subscription, 11, 5, "evt_1", costs(500));
        let object = joined(&[one, two, fetched]);
        assert_eq!(object.fact.state, costs(500));
        assert!(object.fact.is_settled() && object.fact.rivals.is_empty());
    }
}

#[test]
fn facts_written_before_rivals_were_known_are_read() {
    let old = r#"{"snapshot":{"grade":0,"at":10,"step":3,"rank":1,"event":"evt_1"},"state":{"kind":"subscription",
        "status":"active","paused":false,"cancel_at_period_end":false,"cancel_at":null,"period_end":null,
        "amount_minor":200,"interval":"month"},"succeeded_at":7}"#;
    let fact: Fact = serde_json::from_str(old).unwrap();
    assert_eq!(fact.evidence.succeeded_at, Some(7));
    let again: Fact = serde_json::from_str(&serde_json::to_string(&fact).unwrap()).unwrap();
    assert_eq!(again, fact);
}
