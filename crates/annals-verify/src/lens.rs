//! Whether a filter takes a record of which parts may be hidden.
//!
//! Whoever checks a bundle sees some units of a record and digests of the others. Units stand in the order of their names, so a
//! hidden one has a name between those of its neighbours that are shown, and *could be* any unit in between. A condition on a
//! member holds if a shown value passes; it does not hold if none does and no hidden unit could have the member; else nobody
//! can tell ([`Truth::Unknown`]). So that a filter can be seen to leave a record out, a bundle shows the units that the filter
//! looks at, and where there is none, the two between which it would stand.
//!
//! Times of receipt are taken as entries have them, in whole milliseconds, by whoever makes a bundle and whoever checks it.

use annals_event::filter::{Condition, Field, Known, Path, Subject};
use annals_event::json::{Document, Limits, Value};
use annals_event::{Operation, Position, TenantId, Timestamp, UNIT_NAME_BYTES_MAX, UNITS_MAX};

/// Deeper than any event is.
const LIMITS: Limits = Limits { depth_max: 1 << 10 };

/// What can be said of a filter and a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// The filter leaves the record out, whatever is hidden.
    No,
    /// It takes it.
    Yes,
    /// It depends on what is hidden.
    Unknown,
}

impl Truth {
    fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }

    fn negated(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Yes => Self::No,
            Self::Unknown => Self::Unknown,
        }
    }
}

/// Hidden units between two shown ones, and so names that they could have: after the one and before the other. Without a
/// first, the envelope is hidden too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hidden<'a> {
    /// The shown unit in front of them.
    pub after: Option<&'a str>,
    /// The shown unit behind them.
    pub before: Option<&'a str>,
}

impl Hidden<'_> {
    /// All of a record.
    pub const EVERYTHING: Hidden<'static> = Hidden { after: None, before: None };
}

/// A record as far as it is shown.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its place.
    pub position: u64,
    /// As its entry has it.
    pub received_at_ms: u64,
    /// What its shown units make.
    pub event: Option<&'a [u8]>,
    /// How many units it has, shown and hidden.
    pub units: usize,
    /// What is hidden.
    pub hidden: &'a [Hidden<'a>],
}

/// Units that a path leads into.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Need {
    /// The unit of this name.
    Unit(String),
    /// All whose names begin so; the last byte is a slash.
    Below(String),
}

impl Need {
    /// Whether a hidden unit could be one of these.
    fn could_be_in(&self, hidden: &Hidden<'_>) -> bool {
        match self {
            Self::Unit(name) => {
                hidden.after.is_none_or(|after| after < name.as_str())
                    && hidden.before.is_none_or(|before| name.as_str() < before)
            }
            // Behind all names with the prefix are those that have `0`, the character after the slash, in its place.
            Self::Below(prefix) => {
                let is_behind = |name: &str| name > prefix.as_str() && !name.starts_with(prefix.as_str());
                hidden.after.is_none_or(|after| !is_behind(after))
                    && hidden.before.is_none_or(|before| before > prefix.as_str())
            }
        }
    }

    fn is(&self, unit: &str) -> bool {
        match self {
            Self::Unit(name) => unit == name,
            Self::Below(prefix) => unit.starts_with(prefix.as_str()),
        }
    }

    /// Whether it sorts in front of these.
    fn is_after(&self, unit: &str) -> bool {
        match self {
            Self::Unit(name) | Self::Below(name) => unit < name.as_str(),
        }
    }
}

/// A filter on the records of one log.
#[derive(Debug)]
pub struct Lens {
    condition: Condition,
    tenant: TenantId,
}

impl Lens {
    /// The condition, for records of this tenant.
    #[must_use]
    pub fn new(condition: Condition, tenant: TenantId) -> Self {
        Self { condition, tenant }
    }

    /// The condition.
    #[must_use]
    pub fn condition(&self) -> &Condition {
        &self.condition
    }

    /// Whether the filter takes the record. An event that does not parse is as good as hidden.
    #[must_use]
    pub fn look(&self, seen: &Seen<'_>, document: &mut Document) -> Truth {
        let (event, hidden) = match seen.event {
            Some(event) => (event, seen.hidden),
            None => (b"{}".as_slice(), [Hidden::EVERYTHING].as_slice()),
        };
        let Ok(event) = document.parse(event, LIMITS) else { return Truth::Unknown };
        let received_at = received_at(seen.received_at_ms);
        let Some(known) = known_of(event, seen.position, received_at, &self.tenant) else {
            return Truth::Unknown;
        };
        Look { event, known, units: seen.units, hidden }.at(&self.condition)
    }

    /// Whether the filter looks at units that a pattern of `withhold` takes away, and at which.
    #[must_use]
    pub fn looks_at_withheld(&self, withheld: &Withheld) -> Option<String> {
        let mut found = None;
        each_need(&self.condition, 0, &mut |need| {
            found = found.take().or_else(|| withheld.overlap(need));
        });
        found
    }

    /// Which units of a record have to be shown so that the filter can be seen to leave it out, by their numbers. `names` are
    /// those of all its units, in order.
    #[must_use]
    pub fn needed(&self, names: &[&str]) -> Vec<bool> {
        let mut shown = vec![false; names.len()];
        if let Some(envelope) = shown.first_mut() {
            *envelope = true;
        }
        each_need(&self.condition, names.len(), &mut |need| {
            let first = names.partition_point(|name| need.is_after(name));
            let end = first + names[first..].iter().take_while(|name| need.is(name)).count();
            shown[first..end].fill(true);
            // One unit that is there says all; whether there are more of several, only the neighbours say.
            if first == end || matches!(need, Need::Below(_)) {
                if let Some(before) = first.checked_sub(1) {
                    shown[before] = true;
                }
                if let Some(behind) = shown.get_mut(end) {
                    *behind = true;
                }
            }
        });
        shown
    }
}

/// The time of receipt as an entry has it.
fn received_at(ms: u64) -> Timestamp {
    let micros = i64::try_from(ms).ok().and_then(|ms| ms.checked_mul(1_000));
    micros.and_then(Timestamp::from_micros).or(Timestamp::from_micros(0)).expect("1970 is a time")
}

fn known_of<'a>(
    event: Value<'_>,
    position: u64,
    received_at: Timestamp,
    tenant: &'a TenantId,
) -> Option<Known<'a>> {
    let text = |name| event.get(name).and_then(Value::as_str);
    let occurred_at = match text("occurred_at") {
        Some(text) => Timestamp::parse(text).ok()?,
        None => received_at,
    };
    let operation = match text("operation") {
        Some(text) => text.parse().ok()?,
        None => Operation::derive(text("action").unwrap_or_default()),
    };
    Some(Known { occurred_at, received_at, operation, position: Position(position), tenant })
}

struct Look<'a> {
    event: Value<'a>,
    known: Known<'a>,
    units: usize,
    hidden: &'a [Hidden<'a>],
}

impl Look<'_> {
    fn at(&self, condition: &Condition) -> Truth {
        match condition {
            Condition::All(all) => self.joined(all, Truth::No),
            Condition::Any(any) => self.joined(any, Truth::Yes),
            Condition::Not(inner) => self.at(inner).negated(),
            Condition::Field(Field::ReceivedAt | Field::Position | Field::Tenant, _) => {
                Truth::of(self.holds(condition))
            }
            // Both are made of members of the envelope.
            Condition::Field(Field::OccurredAt | Field::Operation, _) => self.unless_hidden(condition),
            // What is hidden can only add values.
            Condition::Field(Field::Member(_), _) | Condition::Words(_) | Condition::Mentions(_)
                if self.holds(condition) =>
            {
                Truth::Yes
            }
            Condition::Field(Field::Member(_), _) | Condition::Words(_) | Condition::Mentions(_) => {
                self.unless_hidden(condition)
            }
            // An element of which a member is hidden may satisfy `not`, and may not.
            Condition::Element(..) => self.unless_hidden(condition),
        }
    }

    /// `deciding` if one of them is so; the opposite if all are.
    fn joined(&self, conditions: &[Condition], deciding: Truth) -> Truth {
        let mut answer = deciding.negated();
        for condition in conditions {
            match self.at(condition) {
                truth if truth == deciding => return deciding,
                Truth::Unknown => answer = Truth::Unknown,
                _ => {}
            }
        }
        answer
    }

    fn unless_hidden(&self, condition: &Condition) -> Truth {
        let mut could_be = false;
        each_need(condition, self.units, &mut |need| {
            could_be |= self.hidden.iter().any(|hidden| need.could_be_in(hidden));
        });
        if could_be { Truth::Unknown } else { Truth::of(self.holds(condition)) }
    }

    fn holds(&self, condition: &Condition) -> bool {
        condition.holds(&Subject { event: self.event, known: self.known })
    }
}

/// Shows the units that a condition looks at, in a record that has so many.
fn each_need(condition: &Condition, units: usize, each: &mut dyn FnMut(&Need)) {
    let envelope = Need::Unit(String::new());
    match condition {
        Condition::All(several) | Condition::Any(several) => {
            several.iter().for_each(|one| each_need(one, units, each));
        }
        Condition::Not(inner) => each_need(inner, units, each),
        Condition::Field(Field::Member(path), _) | Condition::Element(path, _) => {
            needs_of(path, units).iter().for_each(each);
        }
        Condition::Field(Field::OccurredAt | Field::Operation, _) => each(&envelope),
        Condition::Field(..) => {}
        Condition::Words(_) | Condition::Mentions(_) => {
            each(&envelope);
            each(&Need::Below("/".to_owned()));
        }
    }
}

/// The units that a path leads into; how units are split says `annals_event::units`.
fn needs_of(path: &Path, units: usize) -> Vec<Need> {
    let names: Vec<&str> = path.names().collect();
    let unit = |name: &str| Need::Unit(name.to_owned());
    let below = |name: &str| Need::Below(name.to_owned());
    let member = |parent: &str, name: &str| format!("{parent}/{}", escaped(name));
    match names.as_slice() {
        ["actor"] => vec![below("/actor/")],
        ["actor", name, ..] => vec![Need::Unit(member("/actor", name))],
        ["changes"] => vec![unit(""), below("/changes/")],
        ["changes", state @ ("after" | "before")] => {
            vec![unit(&member("/changes", state)), Need::Below(format!("/changes/{state}/"))]
        }
        // The state may be one unit, as it is no object, or as its members were too many.
        ["changes", state @ ("after" | "before"), name, ..] => {
            let state = member("/changes", state);
            vec![Need::Unit(member(&state, name)), Need::Unit(state)]
        }
        ["context"] => vec![unit("/context"), below("/context/")],
        ["context", name @ ("ip" | "user_agent"), ..] => vec![Need::Unit(member("/context", name))],
        ["context", ..] => vec![unit("/context")],
        ["metadata"] => vec![unit("/metadata"), below("/metadata/")],
        ["metadata", name, ..] => {
            let own = member("/metadata", name);
            // Members are put together only where there are many units, or names are long.
            let may_be_folded = units >= UNITS_MAX || units == 0 || own.len() > UNIT_NAME_BYTES_MAX;
            let mut needs = vec![Need::Unit(own)];
            needs.extend(may_be_folded.then(|| unit("/metadata")));
            needs
        }
        ["outcome", "result", ..] | ["targets", "type", ..] => vec![unit("")],
        ["outcome", ..] => vec![unit(""), unit("/outcome")],
        ["targets", ..] => vec![unit(""), below("/targets/")],
        [
            "action" | "category" | "id" | "occurred_at" | "operation" | "severity" | "source" | "trace",
            ..,
        ]
        | ["changes", ..] => vec![unit("")],
        [name, ..] => vec![Need::Unit(member("", name))],
        [] => vec![],
    }
}

/// A name as a segment of a JSON Pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Units that are left out on purpose: names, and with `/*` at the end all below a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Withheld(Vec<Need>);

/// Most patterns of units to be withheld.
pub const WITHHELD_MAX: usize = 64;

impl Withheld {
    /// Reads the patterns.
    ///
    /// # Errors
    ///
    /// One is none, in words: the envelope cannot be withheld, other names begin with a slash.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let mut needs = Vec::new();
        for pattern in patterns {
            let need = match pattern.strip_suffix("/*") {
                Some(parent) => Need::Below(format!("{parent}/")),
                None => Need::Unit(pattern.to_owned()),
            };
            let (Need::Unit(name) | Need::Below(name)) = &need;
            if !name.starts_with('/') || name.len() > UNIT_NAME_BYTES_MAX || pattern == "/" {
                return Err(format!(
                    "`{pattern}` is no unit: units are named as `/actor/email`, or several as `/metadata/*`"
                ));
            }
            needs.push(need);
        }
        if needs.len() > WITHHELD_MAX {
            return Err(format!("more than {WITHHELD_MAX} units"));
        }
        needs.sort_by_key(pattern_of);
        needs.dedup();
        Ok(Self(needs))
    }

    /// The patterns, sorted, each once.
    #[must_use]
    pub fn patterns(&self) -> Vec<String> {
        self.0.iter().map(pattern_of).collect()
    }

    /// Nothing is withheld.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a unit is to be withheld. The envelope never is.
    #[must_use]
    pub fn takes(&self, unit: &str) -> bool {
        !unit.is_empty() && self.0.iter().any(|need| need.is(unit))
    }

    /// Whether hidden units could be these.
    #[must_use]
    pub fn could_be(&self, hidden: &Hidden<'_>) -> bool {
        hidden.after.is_some() && self.0.iter().any(|need| need.could_be_in(hidden))
    }

    fn overlap(&self, need: &Need) -> Option<String> {
        let overlaps = |own: &Need| match (own, need) {
            (Need::Unit(own), Need::Unit(other)) => own == other,
            (Need::Below(_), Need::Unit(name)) => own.is(name),
            (Need::Unit(name), Need::Below(_)) => need.is(name),
            (Need::Below(own), Need::Below(other)) => own.starts_with(other) || other.starts_with(own),
        };
        self.0.iter().find(|own| overlaps(own)).map(pattern_of)
    }
}

fn pattern_of(need: &Need) -> String {
    match need {
        Need::Unit(name) => name.clone(),
        Need::Below(prefix) => format!("{prefix}*"),
    }
}

/// Whether times of receipt in whole milliseconds and in microseconds stand on the same side of all that a condition names: an
/// index over the latter then finds what the former are asked for.
#[must_use]
pub fn is_exact_in_ms(condition: &Condition) -> bool {
    use annals_event::filter::{Comparison, Literal, Test};
    match condition {
        Condition::All(several) | Condition::Any(several) => several.iter().all(is_exact_in_ms),
        Condition::Not(inner) => is_exact_in_ms(inner),
        Condition::Field(Field::OccurredAt | Field::ReceivedAt, test) => match test {
            Test::Order(Comparison::AtLeast | Comparison::Below, Literal::Time(at)) => {
                at.as_micros().rem_euclid(1_000) == 0
            }
            Test::Present => true,
            _ => false,
        },
        Condition::Element(_, inner) => is_exact_in_ms(inner),
        Condition::Field(..) | Condition::Words(_) | Condition::Mentions(_) => true,
    }
}

/// Runs of hidden units among all units of a record, each by its name where it is shown.
#[must_use]
pub fn hidden_between<'a>(units: impl IntoIterator<Item = Option<&'a str>>) -> Vec<Hidden<'a>> {
    let mut hidden: Vec<Hidden<'a>> = Vec::new();
    let (mut after, mut is_open) = (None, false);
    for unit in units {
        match unit {
            Some(name) => {
                if let (true, Some(last)) = (is_open, hidden.last_mut()) {
                    last.before = Some(name);
                }
                (after, is_open) = (Some(name), false);
            }
            None if is_open => {}
            None => {
                hidden.push(Hidden { after, before: None });
                is_open = true;
            }
        }
    }
    hidden
}

/// The conditions that a manifest's `filter` names, for records of a tenant.
///
/// # Errors
///
/// It names none, in words.
pub fn read_filter(filter: &str, tenant: &str) -> Result<Lens, String> {
    let pairs: Vec<(String, String)> = form_urlencoded::parse(filter.as_bytes()).into_owned().collect();
    let condition = annals_event::filter::from_parameters(&pairs).map_err(|error| error.message.clone())?;
    let tenant = TenantId::from_stored(tenant).map_err(|error| error.to_string())?;
    Ok(Lens::new(condition, tenant))
}

#[cfg(test)]
mod tests;
