//! Somebody is erased: out of reach at once, in no file at last, and every proof stays what it was.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use annals_event::Position;
use annals_event::filter::{Matcher, parse};
use annals_journal::sim::SimDisk;
use annals_journal::{Disk as _, FileJournal, JournalId, Options as FileOptions};
use annals_ledger::{
    AcceptOptions, Author, CaseError, Control, Direction, EraseError, ErasureCase, ErasureCounts,
    ErasureStage, FeedScope, FreeText, HitClass, Hold, Ledger, LogKind, NewErasure, Options, Order, Parts,
    Search, SeededEntropy, Start, TailLimits, TenantLog, Unobserved,
};
use annals_segment::body::Cache;
use annals_segment::root::Root;
use annals_segment::segment::Segment;
use annals_tree::EntryKind;
use serde_json::{Value, json};

use crate::sealing::{Running, Stepped};
use crate::support::{TestClock, control_log, events_of, options, send_with, store, tenant, words};

const MAIL: &str = "ada@example.com";
const ID: &str = "usr_17";

/// Three disks that outlive the ledger on them.
struct Disks {
    journal: SimDisk,
    signer: SimDisk,
    segments: SimDisk,
    clock: Arc<TestClock>,
    opens: u64,
}

impl Disks {
    fn new() -> Self {
        let [journal, signer, segments] = [1, 2, 3].map(SimDisk::new);
        Self { journal, signer, segments, clock: TestClock::new(), opens: 0 }
    }

    fn open(&mut self) -> Ledger {
        self.opens += 1;
        let file_options = FileOptions { reserve_bytes: 0, ..FileOptions::new(JournalId([3; 16])) };
        let journal = |disk: &SimDisk| FileJournal::open(Arc::new(disk.clone()), &file_options).unwrap().0;
        let parts = Parts {
            journal: Box::new(journal(&self.journal)),
            signer_journal: Box::new(journal(&self.signer)),
            segments: store(&self.segments),
            signing_seed: [9; 32],
            clock: self.clock.clone(),
            entropy: Arc::new(SeededEntropy::new(self.opens)),
            observer: Arc::new(Unobserved),
        };
        let tail = TailLimits { records_max: 100, ..TailLimits::default() };
        Ledger::open(parts, &Options { tail, ..options() }).unwrap().ledger
    }

    /// The segments' files, as they are on the disk.
    fn files(&self) -> Vec<Arc<Segment>> {
        let names = self.segments.list().unwrap().into_iter().filter(|name| name.ends_with(".seg"));
        names
            .filter_map(|name| {
                // One that was merged may be gone by now.
                let bytes = self.segments.contents(&name)?;
                Some(Segment::open(name.as_str().into(), Arc::new(bytes), Cache::new(1 << 20)).unwrap())
            })
            .collect()
    }

    /// Whether a text stands in any file of the journal or of a manifest, where records are in clear.
    fn has_in_clear(&self, text: &str) -> bool {
        let has = |disk: &SimDisk| {
            let names = disk.list().unwrap();
            names.iter().any(|name| {
                let bytes = disk.contents(name).unwrap();
                bytes.windows(text.len()).any(|window| window == text.as_bytes())
            })
        };
        has(&self.journal) || has(&self.segments)
    }
}

fn event(n: u64) -> String {
    let (id, mail) = if n.is_multiple_of(7) { (ID, MAIL) } else { ("usr_171", "ada@example.community") };
    let target = if n % 10 == 3 { ID } else { "vid_9" };
    let words = if n % 25 == 4 { format!("asked by {MAIL}, at once") } else { "nothing".to_owned() };
    let by = if n % 30 == 5 { MAIL } else { "nobody" };
    format!(
        r#"{{"id":"e{n}","action":"video.update","actor":{{"type":"user","id":"{id}","email":"{mail}"}},"context":{{"ip":"203.0.113.{}"}},"targets":[{{"type":"video","id":"{target}"}}],"description":"{words}","metadata":{{"invited_by":"{by}","n":{n}}}}}"#,
        n % 200
    )
}

async fn send(ledger: &Ledger, name: &str, numbers: std::ops::Range<u64>) {
    let events: Vec<String> = numbers.map(event).collect();
    for events in events.chunks(50) {
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        let options = AcceptOptions { tenant: Some(tenant(name)), ..AcceptOptions::default() };
        let results = send_with(ledger, &events, options).await.unwrap();
        assert!(words(&results).iter().all(|word| word.starts_with("created")), "{:?}", words(&results));
    }
}

fn asked(ledger: &Ledger, approvals_required: u32, text: FreeText) -> NewErasure {
    NewErasure {
        case: ledger.new_case(),
        tenant: "acme".to_owned(),
        values: vec![ID.to_owned(), MAIL.to_uppercase()],
        text,
        reason: "request 4711".to_owned(),
        approvals_required,
        by: "key-1".to_owned(),
    }
}

/// Whether an event speaks of the subject.
fn speaks(event: &[u8]) -> bool {
    let text = String::from_utf8_lossy(event);
    text.contains("ada@example.com\"") || text.contains("\"usr_17\"") || text.contains("ada@example.com,")
}

/// All that reads of a log.
fn reads(ledger: &Ledger, log: &TenantLog) -> Vec<(u64, String)> {
    let page = ledger.feed(&FeedScope::Log(log.clone()), 0, usize::MAX).unwrap().unwrap();
    let text = |event: &[u8]| String::from_utf8(event.to_vec()).unwrap();
    page.records.iter().map(|record| (record.position.0, text(&record.event))).collect()
}

fn entries(ledger: &Ledger, log: &TenantLog, size: u64) -> Vec<Vec<u8>> {
    let entry = |position| ledger.entry(log, Position(position)).unwrap().unwrap();
    (0..size)
        .map(|position| {
            let entry = entry(position);
            assert!(entry.intact, "{position}");
            entry.bytes
        })
        .collect()
}

fn count(ledger: &Ledger, filter: &str) -> usize {
    let matcher = Arc::new(Matcher::new(parse(filter).unwrap()));
    let scope = FeedScope::Log(events_of("acme"));
    ledger.feed_matching(&scope, 0, usize::MAX, &matcher, u64::MAX).unwrap().unwrap().records.len()
}

/// What the service does in the background, until a case is as far as that.
async fn carry_out(ledger: &Ledger, case: &str, until: ErasureStage) -> ErasureCase {
    for _ in 0..2_500 {
        let found = ledger.erasure(case).unwrap();
        if found.stage == until {
            return found;
        }
        if found.stage == ErasureStage::Approved {
            ledger.prepare_erasure().unwrap();
            let plan = ledger.plan_order(&found).unwrap();
            ledger.order_erasure(plan).await.unwrap();
            continue;
        }
        let gone = ledger.clear_rewritten().unwrap();
        ledger.finish_removals(gone).await.unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{:?} is not {until:?}: {:?}", ledger.erasure(case), ledger.health());
}

/// Whether a secret can be had from any file.
fn can_be_had(files: &[Arc<Segment>], (root, counter): &(Root, u16)) -> bool {
    let of_it = |other: &Root| other.name() == root.name() && other.secret(*counter).is_some();
    files.iter().any(|file| file.roots().unwrap().iter().any(of_it))
}

/// Nothing that reads of `acme` speaks of the subject, whoever asks how.
fn nobody_reads(ledger: &Ledger) {
    for (position, text) in reads(ledger, &events_of("acme")) {
        assert!(!text.contains(MAIL) || text.contains("ada@example.community"), "{position}: {text}");
        assert!(!text.contains("\"usr_17\""), "{position}: {text}");
    }
    for filter in [
        r#"actor.id eq "usr_17""#,
        r#"targets.id eq "usr_17""#,
        r#"actor.email eq "ada@example.com""#,
        r#"metadata.invited_by eq "ada@example.com""#,
        r#"description co "asked by ada""#,
    ] {
        assert_eq!(count(ledger, filter), 0, "{filter}");
    }
}

#[tokio::test]
async fn who_is_erased_is_out_of_reach_at_once_and_in_no_file_at_last_and_every_entry_stays() {
    let mut disks = Disks::new();
    let ledger = disks.open();
    send(&ledger, "acme", 0..250).await;
    send(&ledger, "globex", 0..30).await;
    send(&ledger, "acme", 250..300).await;
    let log = events_of("acme");
    let before = entries(&ledger, &log, 300);
    let root = ledger.subtree(&log, 8, 0).unwrap();
    let actors = count(&ledger, r#"actor.id eq "usr_17""#);
    assert_eq!(actors, 43);

    // What the files have, whatever veil they are seen through: values, and the secrets that their digests were salted with.
    ledger.seal_now().unwrap();
    let mut secrets = Vec::new();
    for file in disks.files() {
        for row in 0..file.rows() {
            let record = file.record(row).unwrap();
            if record.tenant == tenant("acme") && speaks(&record.event) {
                secrets.push((record.root, record.counter));
            }
        }
    }
    assert!(secrets.len() >= 70 && secrets.iter().all(|secret| can_be_had(&disks.files(), secret)));

    let new = asked(&ledger, 2, FreeText::Erase);
    let case = new.case.clone();
    let preview = ledger.plan_erasure(&ErasureCase::of(new.clone(), 0)).unwrap().preview().clone();
    let hits = |class, pointer: &str| preview.hits.get(&(class, pointer.to_owned())).copied().unwrap_or(0);
    assert_eq!(hits(HitClass::Actor, "/actor/id"), 43);
    assert_eq!(hits(HitClass::Actor, "/actor/email"), 43);
    assert_eq!(hits(HitClass::Target, "/targets/*"), 30);
    assert_eq!(hits(HitClass::Elsewhere, "/metadata/invited_by"), 10);
    assert_eq!(hits(HitClass::Text, "/description"), 12);

    let author = Author::System;
    ledger.request_erasure(new, &author).await.unwrap();
    let again = ledger.approve_erasure(&case, "key-1", &author).await.unwrap_err();
    assert!(again.to_string().contains("this key has approved"), "{again}");
    ledger.approve_erasure(&case, "key-2", &author).await.unwrap();
    let ordered = carry_out(&ledger, &case, ErasureStage::Ordered).await;
    assert_eq!((ordered.counts.unwrap().records, ordered.values.len()), (preview.counts.records, 0));
    nobody_reads(&ledger);
    assert_eq!(count(&ledger, r#"actor.id sw "erased-""#), 43);
    assert_eq!(count(&ledger, r#"targets.id sw "erased-""#), 30);
    assert_eq!(entries(&ledger, &log, 300), before);

    let done = carry_out(&ledger, &case, ErasureStage::Done).await;
    assert!(done.done_at_us.is_some());
    let files = disks.files();
    let of_acme = files.iter().flat_map(|file| file.records(0..file.rows())).map(|record| record.unwrap().1);
    let mut of_acme = of_acme.filter(|record| record.tenant == tenant("acme"));
    assert!(of_acme.all(|record| !speaks(&record.event)), "a file has it still");
    assert!(!secrets.iter().any(|secret| can_be_had(&files, secret)), "a secret can be had");
    drop(files);
    nobody_reads(&ledger);
    assert_eq!(count(&ledger, r#"actor.id sw "erased-""#), 43);
    assert_eq!(entries(&ledger, &log, 300), before);
    assert_eq!(ledger.subtree(&log, 8, 0).unwrap(), root);
    assert_eq!(count_of(&ledger, "globex", MAIL), 5 + 1, "another tenant's records stay");
    assert!(reads(&ledger, &control_log()).iter().all(|(_, text)| !text.contains("ADA@EXAMPLE.COM")));

    // A sender that tries again brings nothing back.
    let options = AcceptOptions { tenant: Some(tenant("acme")), ..AcceptOptions::default() };
    let again = send_with(&ledger, &[&event(0)], options).await.unwrap();
    assert_eq!(words(&again), ["duplicate 0"]);
    ledger.stop();
    assert!(!disks.has_in_clear("ADA@EXAMPLE.COM"), "the request is gone from journal and manifests");

    let ledger = disks.open();
    nobody_reads(&ledger);
    assert_eq!(entries(&ledger, &log, 300), before);
    ledger.stop();
}

/// Events of a tenant that mention a text as the sender.
fn count_of(ledger: &Ledger, name: &str, text: &str) -> usize {
    let log = events_of(name);
    reads(ledger, &log).iter().filter(|(_, event)| event.contains(&format!("\"{text}\""))).count()
}

#[tokio::test]
async fn what_was_counted_of_a_list_before_is_counted_anew() {
    let mut disks = Disks::new();
    let ledger = disks.open();
    send(&ledger, "acme", 0..150).await;
    let page = |filter: &str, skip| {
        let matcher = Arc::new(Matcher::new(parse(filter).unwrap()));
        let search = Search {
            scope: &FeedScope::Log(events_of("acme")),
            matcher: &matcher,
            order: &Order::occurred(Direction::Rising),
            sent_only: true,
            size: None,
            start: &Start::Skip(skip),
            limit: 2,
            count: true,
        };
        let page = ledger.search(&search, u64::MAX).unwrap();
        let positions = page.records.iter().map(|record| record.position.0);
        (positions.collect::<Vec<_>>(), page.total.unwrap())
    };
    let of_them = r#"actor.id eq "usr_17""#;
    let of_others = r#"not (actor.id eq "usr_17")"#;
    assert_eq!(page(of_them, 3), (vec![21, 28], 22));
    assert_eq!(page(of_others, 6), (vec![8, 9], 128));
    let new = asked(&ledger, 1, FreeText::Erase);
    let case = new.case.clone();
    ledger.request_erasure(new, &Author::System).await.unwrap();
    carry_out(&ledger, &case, ErasureStage::Ordered).await;
    for _ in 0..2 {
        assert_eq!(page(of_them, 3), (Vec::new(), 0));
        assert_eq!(page(of_others, 7), (vec![7, 8], 150));
        assert_eq!(page(of_others, 9), (vec![9, 10], 150));
        carry_out(&ledger, &case, ErasureStage::Done).await;
    }
    ledger.stop();
}

#[tokio::test]
async fn what_comes_while_a_case_is_ordered_stays_until_the_next() {
    let mut disks = Disks::new();
    let ledger = disks.open();
    send(&ledger, "acme", 0..150).await;
    let new = asked(&ledger, 1, FreeText::Erase);
    let case = new.case.clone();
    ledger.request_erasure(new, &Author::System).await.unwrap();
    ledger.prepare_erasure().unwrap();
    send(&ledger, "acme", 700..701).await;
    let plan = ledger.plan_order(&ledger.erasure(&case).unwrap()).unwrap();
    ledger.order_erasure(plan).await.unwrap();
    carry_out(&ledger, &case, ErasureStage::Done).await;
    let check = |ledger: &Ledger| {
        assert_eq!(count(ledger, r#"actor.id eq "usr_17""#), 1, "it came later");
        assert_eq!(count(ledger, r#"actor.id sw "erased-""#), 22);
        ledger.stop();
    };
    check(&ledger);
    check(&disks.open());
}

#[tokio::test]
async fn a_case_that_is_withdrawn_while_it_is_planned_takes_nothing() {
    let mut disks = Disks::new();
    let ledger = disks.open();
    send(&ledger, "acme", 0..50).await;
    let new = asked(&ledger, 1, FreeText::Erase);
    let case = new.case.clone();
    ledger.request_erasure(new, &Author::System).await.unwrap();
    ledger.prepare_erasure().unwrap();
    let plan = ledger.plan_order(&ledger.erasure(&case).unwrap()).unwrap();
    ledger.withdraw_erasure(&case, &Author::System).await.unwrap();
    let refused = ledger.order_erasure(plan).await.unwrap_err();
    assert!(refused.to_string().contains("withdrawn"), "{refused}");
    assert_eq!(count(&ledger, r#"actor.id eq "usr_17""#), 8);
    assert_eq!(ledger.erasure(&case).unwrap().stage, ErasureStage::Withdrawn);
    ledger.stop();
}

/// An entry of a case that takes a unit of one record, as programs before policies were named in it wrote one, or as it is now.
fn one_entry(case: &str, position: u64, policy: Option<u64>) -> Value {
    let erased = json!([{"as": "erased-1", "runs": [[position, position]], "units": [1]}]);
    let mut entry = json!({
        "action": "annals.erasure.order", "operation": "delete", "category": "annals",
        "actor": {"type": "system", "id": "annals"},
        "metadata": {"case": case, "erased": erased, "stage": "ordered"},
    });
    if let Some(policy) = policy {
        entry["metadata"]["policy"] = policy.into();
    }
    entry
}

#[tokio::test]
async fn a_case_of_which_an_entry_is_stored_is_withdrawn_no_more() {
    let mut disks = Disks::new();
    let ledger = disks.open();
    send(&ledger, "acme", 0..50).await;
    let new = asked(&ledger, 1, FreeText::Erase);
    let case = new.case.clone();
    ledger.request_erasure(new, &Author::System).await.unwrap();
    ledger.prepare_erasure().unwrap();
    let stored =
        ledger.state_in(&events_of("acme"), EntryKind::Erasure, &[one_entry(&case, 1, Some(0))]).await;
    assert_eq!(stored.unwrap(), [Position(50)], "others are to come");
    let refused = ledger.withdraw_erasure(&case, &Author::System).await.unwrap_err();
    assert!(matches!(refused, EraseError::Case(CaseError::Closed)), "{refused}");
    // Nor once that entry is carried out.
    for _ in 0..2_500 {
        let gone = ledger.clear_rewritten().unwrap();
        let is_carried_out = !gone.is_empty();
        ledger.finish_removals(gone).await.unwrap();
        if is_carried_out {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(ledger.erasure(&case).unwrap().stage, ErasureStage::Approved);
    let refused = ledger.withdraw_erasure(&case, &Author::System).await.unwrap_err();
    assert!(matches!(refused, EraseError::Case(CaseError::Closed)), "{refused}");
    let half = ledger.erasure(&case).unwrap().taken.unwrap();
    assert_eq!(half.records, 1);
    let rest = ledger.plan_order(&ledger.erasure(&case).unwrap()).unwrap().preview().counts.records;
    let done = carry_out(&ledger, &case, ErasureStage::Done).await;
    assert_eq!(done.counts.unwrap().records, half.records + rest);
    assert_eq!(count(&ledger, r#"actor.id eq "usr_17""#), 0);
    // One with nothing to take may be withdrawn at the last moment, and stays so.
    let new = NewErasure { values: vec!["nobody-at-all".to_owned()], ..asked(&ledger, 1, FreeText::Erase) };
    let case = new.case.clone();
    ledger.request_erasure(new, &Author::System).await.unwrap();
    ledger.withdraw_erasure(&case, &Author::System).await.unwrap();
    let ordered = Control::ErasureOrdered { case: case.clone(), counts: ErasureCounts::default() };
    ledger.change(ordered, &Author::System).await.unwrap();
    assert_eq!(ledger.erasure(&case).unwrap().stage, ErasureStage::Withdrawn);
    ledger.stop();
}

#[tokio::test]
async fn what_older_programs_stored_of_a_case_that_was_given_up_keeps_its_position() {
    let mut disks = Disks::new();
    let ledger = disks.open();
    send(&ledger, "acme", 0..50).await;
    let new = asked(&ledger, 1, FreeText::Erase);
    let case = new.case.clone();
    ledger.request_erasure(new, &Author::System).await.unwrap();
    ledger.prepare_erasure().unwrap();
    let state = async |log: &TenantLog, position, policy| {
        let entry = one_entry(&case, position, policy);
        ledger.state_in(log, EntryKind::Erasure, &[entry]).await.unwrap().len()
    };
    assert_eq!(state(&events_of("acme"), 0, None).await, 1);
    let withdrawn = Control::ErasureWithdrawn { case: case.clone(), unless_begun: false };
    assert!(ledger.change(withdrawn, &Author::System).await.unwrap());
    for log in [events_of("acme"), control_log()] {
        assert_eq!(state(&log, 1, None).await, 1, "{log:?}");
        assert_eq!(state(&log, 1, Some(0)).await, 0, "{log:?}");
    }
    let ordered = Control::ErasureOrdered { case: case.clone(), counts: ErasureCounts::default() };
    ledger.change(ordered, &Author::System).await.unwrap();
    assert_eq!(ledger.erasure(&case).unwrap().stage, ErasureStage::Ordered);
    ledger.stop();
}

#[tokio::test]
async fn every_entry_that_orders_says_under_which_policies_it_was_planned() {
    let mut disks = Disks::new();
    let ledger = disks.open();
    send(&ledger, "acme", 0..50).await;
    let new = asked(&ledger, 1, FreeText::Erase);
    let case = new.case.clone();
    ledger.request_erasure(new, &Author::System).await.unwrap();
    ledger.prepare_erasure().unwrap();
    let plan = ledger.plan_order(&ledger.erasure(&case).unwrap()).unwrap();
    ledger.order_erasure(plan).await.unwrap();
    for log in [events_of("acme"), control_log()] {
        let texts: Vec<String> = reads(&ledger, &log).into_iter().map(|(_, text)| text).collect();
        let mut stated = texts
            .iter()
            .filter(|text| text.contains("annals.erasure.order") && text.contains(r#""erased":["#));
        assert!(stated.all(|text| text.contains(r#""policy":0"#)), "{texts:?}");
        assert!(texts.iter().any(|text| text.contains(r#""policy":0"#)), "{log:?}");
    }
    ledger.stop();
}

#[tokio::test]
async fn a_hold_that_is_stored_before_an_order_wins_and_one_that_comes_later_does_not() {
    let mut disks = Disks::new();
    let ledger = disks.open();
    send(&ledger, "acme", 0..50).await;
    let new = asked(&ledger, 1, FreeText::Keep);
    let case = new.case.clone();
    ledger.request_erasure(new, &Author::System).await.unwrap();
    ledger.prepare_erasure().unwrap();
    let hold = |filter: &str| Hold {
        id: String::new(),
        filter: Some(filter.to_owned()),
        reason: "a case".to_owned(),
        owner: "legal".to_owned(),
        began_at_us: 0,
        by_platform: false,
    };
    let begin = async |filter: &str| {
        ledger.begin_hold(&tenant("acme"), hold(filter), &Author::Machine).await.unwrap()
    };
    // It comes while the case is planned, as late as can be: nothing looks at holds again but what stores the order.
    let plan = ledger.plan_order(&ledger.erasure(&case).unwrap()).unwrap();
    begin(r#"metadata.n lt 20"#).await;
    let refused = ledger.order_erasure(plan).await.unwrap_err();
    assert!(matches!(refused, EraseError::Held), "{refused}");
    assert_eq!(count(&ledger, r#"actor.id eq "usr_17""#), 8, "nothing is ordered");
    let plan = ledger.plan_order(&ledger.erasure(&case).unwrap()).unwrap();
    assert!(plan.preview().counts.held > 0, "{:?}", plan.preview());
    ledger.order_erasure(plan).await.unwrap();
    assert_eq!(count(&ledger, r#"actor.id eq "usr_17""#), 3, "those that are held");
    begin(r#"metadata.n ge 20"#).await;
    carry_out(&ledger, &case, ErasureStage::Done).await;
    let check = |ledger: &Ledger| {
        assert_eq!(count(ledger, r#"actor.id eq "usr_17""#), 3);
        assert_eq!(count(ledger, r#"actor.id sw "erased-""#), 5);
        ledger.stop();
    };
    check(&ledger);
    check(&disks.open());
}

#[tokio::test]
async fn what_was_erased_and_is_sent_again_is_not_even_in_the_journal() {
    let mut disks = Disks::new();
    let ledger = disks.open();
    send(&ledger, "acme", 0..50).await;
    let new = asked(&ledger, 1, FreeText::Erase);
    let case = new.case.clone();
    ledger.request_erasure(new, &Author::System).await.unwrap();
    carry_out(&ledger, &case, ErasureStage::Done).await;
    let size = ledger.feed_size(&FeedScope::Log(events_of("acme"))).unwrap();
    for (atomic, fresh) in [(false, 51), (true, 52)] {
        let options = AcceptOptions { tenant: Some(tenant("acme")), atomic, ..AcceptOptions::default() };
        let events = [event(0), event(fresh), event(7)];
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        let again = send_with(&ledger, &events, options.clone()).await.unwrap();
        let created = format!("created {}", size + fresh - 51);
        assert_eq!(words(&again), ["duplicate 0", &created, "duplicate 7"]);
        let again = send_with(&ledger, &events[..1], options).await.unwrap();
        assert_eq!(words(&again), ["duplicate 0"]);
    }
    let options = AcceptOptions { tenant: Some(tenant("acme")), atomic: true, ..AcceptOptions::default() };
    let changed = event(1).replace("video.update", "video.delete");
    let refused = send_with(&ledger, &[&event(0), &changed], options).await.unwrap();
    assert_eq!(words(&refused), ["atomic ", "conflict /id"], "nothing of it was taken");
    ledger.stop();
    assert!(!disks.has_in_clear("\"usr_17\""));
    assert!(disks.has_in_clear("\"usr_171\""), "others are found");
}

#[tokio::test]
async fn a_case_goes_on_wherever_the_service_ended() {
    let mut disks = Disks::new();
    let ledger = disks.open();
    send(&ledger, "acme", 0..300).await;
    let log = events_of("acme");
    let before = entries(&ledger, &log, 300);
    let new = asked(&ledger, 1, FreeText::Keep);
    let case = new.case.clone();
    ledger.request_erasure(new, &Author::System).await.unwrap();
    assert_eq!(ledger.erasure(&case).unwrap().stage, ErasureStage::Approved);
    ledger.stop();

    let ledger = disks.open();
    assert_eq!(ledger.erasure(&case).unwrap().values.len(), 2, "it knows whom to erase");
    carry_out(&ledger, &case, ErasureStage::Ordered).await;
    ledger.stop();

    // What is ordered is veiled from the journal's entry, or the manifest's.
    let ledger = disks.open();
    assert_eq!(count(&ledger, r#"actor.id eq "usr_17""#), 0);
    assert_eq!(entries(&ledger, &log, 300), before);
    ledger.seal_now().unwrap();
    ledger.stop();
    let ledger = disks.open();
    assert_eq!(count(&ledger, r#"actor.id eq "usr_17""#), 0);
    carry_out(&ledger, &case, ErasureStage::Done).await;
    assert_eq!(count(&ledger, r#"actor.id eq "usr_17""#), 0);
    assert_eq!(count(&ledger, r#"description co "asked by ada""#), 12, "texts are kept");
    assert_eq!(entries(&ledger, &log, 300), before);
    ledger.stop();
    let access = TenantLog { tenant: tenant("acme"), kind: LogKind::Access };
    let ledger = disks.open();
    assert!(reads(&ledger, &access).is_empty());
    ledger.stop();
}

/// Takes the ledger's steps until something is answered.
pub(crate) fn drive<T>(running: &mut Running, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    loop {
        match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => return done,
            Poll::Pending => {
                running.engine.write();
                running.engine.apply();
            }
        }
    }
}

#[test]
fn the_power_may_go_at_any_step_of_a_case() {
    let cuts = (1..).take_while(|changes| cut_power_after(*changes)).count();
    assert!(cuts > 20, "{cuts}");
}

/// Orders a case and cuts the power when the segments' disk has taken so many changes after that. False when all was done before.
fn cut_power_after(changes: u64) -> bool {
    let mut stepped = Stepped::new(30);
    let mut running = stepped.open();
    for round in 0..24 {
        stepped.send_some(&mut running, 1 + round % 13);
        running.engine.seal(round % 5 == 0).unwrap();
    }
    running.engine.seal(true).unwrap();
    let log = events_of("acme");
    let size = running.ledger.feed_size(&FeedScope::Log(log.clone())).unwrap();
    let before = entries(&running.ledger, &log, size);
    let erased = count(&running.ledger, r#"actor.id eq "u12""#);
    assert!(erased > 2, "{erased}");

    let ledger = running.ledger.clone();
    let new = NewErasure { values: vec!["u12".to_owned()], ..asked(&ledger, 1, FreeText::Keep) };
    let case = new.case.clone();
    drive(&mut running, ledger.request_erasure(new, &Author::System)).unwrap();
    let plan = ledger.plan_order(&ledger.erasure(&case).unwrap()).unwrap();
    drive(&mut running, ledger.order_erasure(plan)).unwrap();
    assert_eq!(count(&ledger, r#"actor.id eq "u12""#), 0);

    stepped.segments.cut_power_after(changes);
    let done = rewrite(&mut running);
    if done && stepped.segments.is_on() {
        return false;
    }
    drop((running, ledger));
    for disk in [&stepped.journal, &stepped.signer, &stepped.segments] {
        disk.crash();
    }
    let mut running = stepped.open();
    let context = format!("power gone after {changes} changes");
    for is_rewritten in [false, true] {
        if is_rewritten {
            assert!(rewrite(&mut running), "{context}");
        }
        assert_eq!(count(&running.ledger, r#"actor.id eq "u12""#), 0, "{context}");
        assert_eq!(count(&running.ledger, r#"actor.id sw "erased-""#), erased, "{context}");
        assert_eq!(entries(&running.ledger, &log, size), before, "{context}");
    }
    true
}

/// Rewrites, seals and merges until all that was to go is in no segment; false when that fails.
fn rewrite(running: &mut Running) -> bool {
    for _ in 0..200 {
        if running.engine.seal(false).is_err() {
            return false;
        }
        if running.ledger.has_rewritten() {
            return true;
        }
    }
    false
}
