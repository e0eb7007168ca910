//! Whoever makes tenants and keys, and remembers what was promised.

use std::collections::BTreeMap;

use annals_event::TenantId;
use annals_ledger::control::KeyEnd;
use annals_ledger::{Author, Control, KeyId, KeyRecord, KeySecret, Ledger, LogKind, Scope};

use crate::book::{Book, Marker};
use crate::dice::Dice;
use crate::invariant::{Broken, Invariant, ensure};
use crate::senders::{Pending, poll};

/// What is being asked for.
enum Asked {
    Tenant(TenantId),
    Key(KeyRecord),
    End(KeyEnd),
    Operator,
    Clock,
    Access(Marker),
}

enum Answer {
    Done,
    Operator(KeySecret),
}

/// The operators: one thing at a time.
#[derive(Default)]
pub(crate) struct Operators {
    asking: Option<(Asked, Pending<Answer>)>,
    tenants: Vec<TenantId>,
    /// Keys that were acknowledged, with their ends.
    keys: BTreeMap<KeyId, (KeyRecord, Option<i64>)>,
    /// The operator key that was shown last.
    operator: Option<KeyId>,
    /// A newer operator key may be in force that nobody was shown.
    operator_unsure: bool,
}

impl Operators {
    /// The service was started, and may have shown an operator key.
    pub(crate) fn started(&mut self, shown: Option<KeySecret>) -> Result<(), Broken> {
        if let Some(secret) = shown {
            ensure(self.operator.is_none(), Invariant::ControlIsKept, || {
                "the operator key is gone, as a new one was made".to_owned()
            })?;
            self.operator = Some(secret.hash().key_id());
        }
        Ok(())
    }

    /// The service is gone, and the answer with it.
    pub(crate) fn hang_up(&mut self, book: &mut Book) {
        match self.asking.take() {
            Some((Asked::Operator, _)) => self.operator_unsure = true,
            Some((Asked::Access(marker), _)) => book.unanswered(&[marker]),
            // A key or tenant whose making was not answered may be there or not, and is of no further interest.
            _ => {}
        }
    }

    /// No answer is awaited.
    pub(crate) fn is_done(&self) -> bool {
        self.asking.is_none()
    }

    /// Asks for something, or looks for the answer.
    pub(crate) fn step(
        &mut self,
        ledger: &Ledger,
        book: &mut Book,
        dice: &mut Dice,
        tenants: &[TenantId],
    ) -> String {
        if self.asking.is_some() {
            return self.look(book);
        }
        let at_us = ledger.clock().now().as_micros();
        let asked = match dice.below(12) {
            0..3 => {
                let tenant =
                    if dice.chance(50) { dice.pick(tenants).clone() } else { numbered(dice.below(30)) };
                Asked::Tenant(tenant)
            }
            3..5 => Asked::Key(key(ledger, dice, tenants)),
            5..7 if !self.keys.is_empty() => {
                let key_id =
                    self.keys.keys().nth(dice.index(self.keys.len())).expect("below their number").clone();
                Asked::End(KeyEnd { key_id, expires_at_us: at_us })
            }
            7 => Asked::Operator,
            8 => Asked::Clock,
            _ => {
                let tenant = dice.pick(tenants).clone();
                if !ledger.knows(&tenant) {
                    return String::new();
                }
                let marker = book.next_marker();
                let text = format!(
                    r#"{{"action":"annals.access.read","actor":{{"id":"key_1","type":"api_key"}},"metadata":{{"marker":{marker}}}}}"#
                );
                Asked::Access(book.add((tenant, LogKind::Access), text, None, true))
            }
        };
        self.ask(ledger.clone(), book, asked)
    }

    fn ask(&mut self, ledger: Ledger, book: &mut Book, asked: Asked) -> String {
        let told;
        let mut answer: Pending<Answer> = match &asked {
            Asked::Tenant(tenant) => {
                told = format!("create tenant {tenant:?}");
                let tenant = tenant.clone();
                Box::pin(async move {
                    ledger.create_tenant(&tenant, &Author::Machine).await.map(|_| Answer::Done)
                })
            }
            Asked::Key(key) => {
                told = format!("create key {:?}", key.id);
                let control = Control::KeyCreated { key: key.clone(), replaces: Vec::new() };
                Box::pin(async move { ledger.change(control, &Author::Machine).await.map(|_| Answer::Done) })
            }
            Asked::End(end) => {
                told = format!("end key {end:?}");
                let control = Control::KeyEnded { end: end.clone() };
                Box::pin(async move { ledger.change(control, &Author::Machine).await.map(|_| Answer::Done) })
            }
            Asked::Operator => {
                told = "reset the operator key".to_owned();
                Box::pin(async move { ledger.reset_operator_key().await.map(Answer::Operator) })
            }
            Asked::Clock => {
                told = "confirm the clock".to_owned();
                Box::pin(async move { ledger.confirm_clock(&Author::Machine).await.map(|_| Answer::Done) })
            }
            Asked::Access(marker) => {
                book.sending(&[*marker]);
                let item = &book.items[*marker];
                told = format!("record an access to {:?}", item.log);
                let tenant = item.log.0.clone();
                let event = serde_json::from_str(&item.text).expect("written as JSON a moment ago");
                Box::pin(async move { ledger.record_access(&tenant, &event).await.map(|()| Answer::Done) })
            }
        };
        let ready = poll(&mut answer);
        self.asking = Some((asked, ready.map_or(answer, |ready| Box::pin(std::future::ready(ready)))));
        told
    }

    /// Looks for the answer.
    pub(crate) fn look(&mut self, book: &mut Book) -> String {
        let Some((asked, mut pending)) = self.asking.take() else { return String::new() };
        let Some(answer) = poll(&mut pending) else {
            self.asking = Some((asked, pending));
            return String::new();
        };
        let told = format!("operator hears {:?}", answer.as_ref().map(|_| ()));
        match (asked, answer) {
            (Asked::Tenant(tenant), Ok(_)) => self.tenants.push(tenant),
            (Asked::Key(key), Ok(_)) => {
                self.keys.insert(key.id.clone(), (key, None));
            }
            (Asked::End(end), Ok(_)) => {
                if let Some((_, ended)) = self.keys.get_mut(&end.key_id) {
                    *ended = Some(ended.map_or(end.expires_at_us, |at| at.min(end.expires_at_us)));
                }
            }
            (Asked::Operator, Ok(Answer::Operator(secret))) => {
                self.operator = Some(secret.hash().key_id());
                self.operator_unsure = false;
            }
            (Asked::Operator, Err(annals_ledger::CommitError::Uncertain)) => self.operator_unsure = true,
            (Asked::Access(marker), Ok(_)) => book.kept(marker),
            (Asked::Access(marker), Err(annals_ledger::CommitError::Uncertain)) => book.unanswered(&[marker]),
            (Asked::Access(marker), Err(_)) => book.not_stored(&[marker]),
            (Asked::Clock, Ok(_)) | (_, Err(_)) | (Asked::Operator, Ok(Answer::Done)) => {}
        }
        told
    }

    /// Whether everything that was acknowledged is in force.
    pub(crate) fn audit(&self, ledger: &Ledger) -> Result<(), Broken> {
        for tenant in &self.tenants {
            ensure(ledger.knows(tenant), Invariant::ControlIsKept, || format!("tenant {tenant:?} is gone"))?;
        }
        let keys = ledger.keys();
        let keys = keys.read().expect("no holder of this lock panics");
        for (id, (record, end)) in &self.keys {
            let found = keys.by_id(id);
            let same = found.is_some_and(|found| {
                found.hash == record.hash && found.scopes == record.scopes && found.tenant == record.tenant
            });
            ensure(same, Invariant::ControlIsKept, || format!("key {id:?} is now {found:?}"))?;
            let ended = found.and_then(|found| found.expires_at_us);
            let ends = end.is_none_or(|end| ended.is_some_and(|at| at <= end));
            ensure(ends, Invariant::ControlIsKept, || {
                format!("key {id:?} was ended at {end:?} and ends at {ended:?}")
            })?;
        }
        let Some(operator) = &self.operator else { return Ok(()) };
        ensure(keys.by_id(operator).is_some_and(|key| key.operator), Invariant::ControlIsKept, || {
            format!("operator key {operator:?} is gone")
        })?;
        let others = keys
            .iter()
            .filter(|key| key.operator && key.expires_at_us.is_none() && key.id != *operator)
            .count();
        ensure(others == 0 || self.operator_unsure, Invariant::ControlIsKept, || {
            format!("{others} other operator keys are in force")
        })
    }
}

fn key(ledger: &Ledger, dice: &mut Dice, tenants: &[TenantId]) -> KeyRecord {
    let hash = ledger.new_key_secret().hash();
    KeyRecord {
        id: hash.key_id(),
        hash,
        tenant: dice.chance(70).then(|| dice.pick(tenants).as_str().to_owned()),
        scopes: vec![Scope::Write, Scope::Read],
        dialects: Vec::new(),
        name: None,
        expires_at_us: None,
        operator: false,
    }
}

/// A tenant that no sender writes to.
fn numbered(number: u64) -> TenantId {
    TenantId::new(&format!("made-{number}")).expect("a good id")
}
