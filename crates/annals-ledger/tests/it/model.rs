//! Random histories against a ledger so simple that it is plainly right: lists of texts.

use std::collections::{BTreeMap, BTreeSet};

use annals_ledger::{AcceptOptions, Author, FeedScope, Ledger, LogKind, TenantLog};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::support::{World, send_with, tenant, words};

/// One thing that somebody does.
#[derive(Clone, Debug)]
enum Step {
    Send { tenant: usize, atomic: bool, items: Vec<Item> },
    CreateTenant { tenant: usize },
    Restart,
}

/// One item of a request: few ids and few bodies, so that they meet.
#[derive(Clone, Debug)]
enum Item {
    Good { id: u8, body: u8, source: Option<(u8, u64)> },
    Bad,
}

const TENANTS: [&str; 3] = ["acme", "globex", "Tiny_1"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let source = proptest::option::weighted(0.3, (0..2_u8, prop_oneof![8 => 0..12_u64, 1 => Just(u64::MAX)]));
    let item = prop_oneof![
        12 => (0..10_u8, 0..2_u8, source).prop_map(|(id, body, source)| Item::Good { id, body, source }),
        1 => Just(Item::Bad),
    ];
    let step = prop_oneof![
        10 => (0..TENANTS.len(), any::<bool>(), vec(item, 0..6))
            .prop_map(|(tenant, atomic, items)| Step::Send { tenant, atomic, items }),
        1 => (0..TENANTS.len()).prop_map(|tenant| Step::CreateTenant { tenant }),
        2 => Just(Step::Restart),
    ];
    vec(step, 1..25)
}

impl Item {
    /// As it is sent, which is its canonical form.
    fn text(&self) -> String {
        match self {
            Self::Bad => r#"{"actor":{"id":"u"}}"#.to_owned(),
            Self::Good { id, body, source } => {
                let source = source.map_or_else(String::new, |(name, seq)| {
                    format!(r#","source":{{"name":"s{name}","seq":{seq}}}"#)
                });
                format!(r#"{{"action":"do.{body}","actor":{{"id":"u"}},"id":"e{id}"{source}}}"#)
            }
        }
    }
}

/// The simple ledger.
#[derive(Default)]
struct Model {
    /// Each tenant's records: an event's text, or the action of one of annals' own.
    logs: BTreeMap<String, Vec<String>>,
    /// All records, by tenant.
    order: Vec<(String, String)>,
    /// Highest number by tenant and source.
    sources: BTreeMap<(String, u8), u64>,
}

impl Model {
    fn store(&mut self, tenant: &str, record: String) -> usize {
        self.order.push((tenant.to_owned(), record.clone()));
        let log = self.logs.entry(tenant.to_owned()).or_default();
        log.push(record);
        log.len() - 1
    }

    /// Where an id of a tenant stands, and with what text.
    fn find(&self, tenant: &str, id: u8) -> Option<(usize, &String)> {
        let id = format!(r#""id":"e{id}""#);
        self.logs.get(tenant)?.iter().enumerate().find(|(_, record)| record.contains(&id))
    }

    fn ensure_tenant(&mut self, tenant: &str) -> bool {
        let new = !self.logs.contains_key(tenant);
        if new {
            self.logs.insert(tenant.to_owned(), Vec::new());
            self.store("_annals", "annals.tenant.create".to_owned());
        }
        new
    }

    fn send(&mut self, tenant: &str, atomic: bool, items: &[Item]) -> Vec<String> {
        let bad = "required /action".to_owned();
        if atomic && let Some(refused) = self.refuse(tenant, items) {
            return refused;
        }
        if items.iter().any(|item| matches!(item, Item::Good { .. })) {
            self.ensure_tenant(tenant);
        }
        let answers = items.iter().map(|item| match item {
            Item::Bad => bad.clone(),
            Item::Good { id, source, .. } => match self.find(tenant, *id) {
                Some((position, text)) if *text == item.text() => format!("duplicate {position}"),
                Some(_) => "conflict /id".to_owned(),
                None => {
                    let position = self.store(tenant, item.text());
                    self.follow(tenant, *source);
                    format!("created {position}")
                }
            },
        });
        answers.collect()
    }

    fn follow(&mut self, tenant: &str, source: Option<(u8, u64)>) {
        let Some((name, seq)) = source else { return };
        let highest = self.sources.entry((tenant.to_owned(), name)).or_insert(seq);
        let hole = seq > highest.saturating_add(1);
        *highest = seq.max(*highest);
        if hole {
            self.store(tenant, "annals.source.gap".to_owned());
        }
    }

    /// The answers of an all-or-nothing request of which nothing is stored.
    fn refuse(&self, tenant: &str, items: &[Item]) -> Option<Vec<String>> {
        let bad = items.iter().any(|item| matches!(item, Item::Bad));
        let mut first: BTreeMap<u8, String> = BTreeMap::new();
        let mut answers = Vec::new();
        let mut refused = bad;
        for item in items {
            answers.push(match item {
                Item::Bad => "required /action".to_owned(),
                Item::Good { id, .. } => {
                    let stored = self.find(tenant, *id).is_some_and(|(_, text)| *text != item.text());
                    let earlier = first.entry(*id).or_insert_with(|| item.text());
                    let conflict = !bad && (stored || *earlier != item.text());
                    refused |= conflict;
                    if conflict { "conflict /id".to_owned() } else { "atomic ".to_owned() }
                }
            });
        }
        refused.then_some(answers)
    }
}

/// A record as the model writes it: annals' own by their action.
fn told(record: &annals_ledger::Record) -> String {
    let text = String::from_utf8(record.event.to_vec()).expect("JSON");
    let action =
        serde_json::from_str::<serde_json::Value>(&text).expect("JSON")["action"].as_str().map(str::to_owned);
    action.filter(|action| action.starts_with("annals.")).unwrap_or(text)
}

fn assert_same(ledger: &Ledger, model: &Model) {
    let tenants: BTreeSet<String> =
        ledger.tenants().iter().map(|tenant| tenant.as_str().to_owned()).collect();
    assert_eq!(tenants, model.logs.keys().cloned().collect());
    for (name, log) in &model.logs {
        let tenant =
            ledger.tenants().into_iter().find(|tenant| tenant.as_str() == name).expect("it is there");
        let scope = FeedScope::Log(TenantLog { tenant, kind: LogKind::Tenant });
        // Pages of two, so that a page's edge is everywhere.
        for from in (0..=log.len()).step_by(2) {
            let page =
                ledger.feed(&scope, from as u64, 2).expect("it can be read").expect("the tenant is there");
            let expected = &log[from..log.len().min(from + 2)];
            assert_eq!(page.records.iter().map(told).collect::<Vec<_>>(), expected, "{name} from {from}");
            assert_eq!((page.next, page.size), ((from + expected.len()) as u64, log.len() as u64));
        }
    }
    let all = ledger.feed(&FeedScope::All, 0, usize::MAX).expect("it can be read").expect("always there");
    let all = all.records.iter().map(|record| (record.tenant.as_str().to_owned(), told(record)));
    assert_eq!(all.collect::<Vec<_>>(), model.order);
}

async fn follow(steps: Vec<Step>) {
    let mut world = World::new();
    let mut model = Model::default();
    let mut ledger = world.open().ledger;
    for own in ["annals.key.create", "annals.server.start"] {
        model.store("_annals", own.to_owned());
    }
    for step in steps {
        match step {
            Step::Send { tenant: index, atomic, items } => {
                let texts: Vec<String> = items.iter().map(Item::text).collect();
                let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                let options = AcceptOptions {
                    tenant: Some(tenant(TENANTS[index])),
                    atomic,
                    ..AcceptOptions::default()
                };
                let answers = words(&send_with(&ledger, &texts, options).await.expect("the journal is well"));
                assert_eq!(answers, model.send(TENANTS[index], atomic, &items), "{items:?}");
            }
            Step::CreateTenant { tenant: index } => {
                let made = ledger
                    .create_tenant(&tenant(TENANTS[index]), &Author::Machine)
                    .await
                    .expect("it is well");
                assert_eq!(made, model.ensure_tenant(TENANTS[index]));
            }
            Step::Restart => {
                ledger.stop();
                ledger = world.open().ledger;
                for own in ["annals.server.stop", "annals.server.start"] {
                    model.store("_annals", own.to_owned());
                }
            }
        }
        assert_same(&ledger, &model);
    }
    ledger.stop();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_histories_agree_with_lists_of_texts(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(follow(steps));
    }
}
