//! Hits that stand thousands of places from each other in an order.

use super::*;

/// The places of a world's only log, by time.
fn far_between_lane(world: &World) -> (Lane, Vec<(usize, Moment)>) {
    let each = world.rows.iter().enumerate();
    let mut rows: Vec<(usize, Moment)> =
        each.map(|(at, of)| (at, (happened(&of.record), of.record.position))).collect();
    rows.sort_by_key(|(_, moment)| *moment);
    (Lane::LogTime(world.segment.log_rows(0).unwrap()), rows)
}

/// Where two things that many events have come together seldom, a walk goes through thousands of places without a hit.
#[test]
fn what_is_far_between_in_an_order_is_found_as_it_reads() {
    let mut made = records(19, 1, 20_000, Style::Realistic);
    let mut rng = Rng(19);
    for (at, record) in made.logs.iter_mut().flat_map(|log| &mut log.records).enumerate() {
        let (left, right) = (at % 11 == 0, at % 7 == 3);
        // Now and then in one stretch, and else never.
        let both = left && right && (at / 4_000 == 2 || rng.one_in(60));
        let action = if both || (left && !right) { "video.update" } else { "video.read" };
        let actor = if right && (both || !left) { "u1" } else { "u2" };
        let time = record.occurred_at.map(|at| Timestamp::from_micros(at).unwrap());
        let time = time.map_or(String::new(), |time| format!(r#","occurred_at":"{time}""#));
        record.event = format!(r#"{{"action":"{action}","actor":{{"id":"{actor}"}}{time}}}"#).into_bytes();
        record.leaf = leaf_hash(&record.event);
    }
    name_operations(&mut made);
    let world = World::new(&made, made.segment_within(Limits::default()));
    let is = |names: &[&str], text: &str| {
        Condition::Field(Field::Member(Path::new(names)), Test::In(vec![Literal::Text(text.into())]))
    };
    let both = Condition::All(vec![is(&["action"], "video.update"), is(&["actor", "id"], "u1")]);
    let mut asker = Asker { world: &world, rng: Rng(19) };
    let mut seen = Seen::default();
    for seed in 0..4 {
        ask_for(&mut asker, &both, seed, &mut seen);
        world.cache.forget_plans();
    }
    assert!(seen.hits > 20, "{seen:?}");

    // Who passes over rows up to a moment never comes behind it, however little is found there.
    let plan = |both: &Condition| {
        Arc::new(Plan::new(&world.segment, &Arc::new(Matcher::new(both.clone())), false).unwrap())
    };
    let (log, rows) = far_between_lane(&world);
    let holding = world.holding(&both, false);
    for index in (1_280..rows.len()).filter(|index| holding[rows[*index].0]) {
        let (low, high) = (Bound::Unbounded, Bound::Unbounded);
        let mut hits = Hits::new(&plan(&both), log.clone(), true, low, high, u64::MAX).unwrap();
        // Ten groups below a hit.
        let until = rows[index - 1_280].1;
        let passed = hits.pass_over(u64::MAX, Some(until), &mut Budget::new(u64::MAX)).unwrap();
        assert!(passed == 0 || hits.reached().is_some_and(|reached| reached > until), "{:?}", hits.reached());
    }

    // Without a budget each step looks at one group of the order, or at many blocks.
    let mut hits =
        Hits::new(&plan(&both), Lane::AllTime, true, Bound::Unbounded, Bound::Unbounded, u64::MAX).unwrap();
    let mut spent = 0;
    loop {
        match hits.next(&mut Budget::new(0)).unwrap() {
            Step::Hit { .. } => {}
            Step::Spent => spent += 1,
            Step::End => break,
        }
    }
    // Of its 153 groups.
    assert!(spent < 128, "it went through the whole order: {spent}");
}
