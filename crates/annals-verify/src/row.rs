//! An event as a line of a list.

use annals_event::Timestamp;
use annals_event::json::{Document, Limits, Value};

/// Most events that the report lists.
pub const ROWS_MAX: usize = 1_000;

/// Longest text in a cell, in characters.
const CELL_CHARACTERS_MAX: usize = 200;

/// One event of the report's list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Its place.
    pub position: u64,
    /// When it was received, RFC 3339.
    pub received_at: String,
    /// When it happened, as its sender says.
    pub occurred_at: String,
    /// What was done.
    pub action: String,
    /// By whom: type, and name, mail or id.
    pub actor: String,
    /// To what.
    pub targets: String,
    /// How it ended.
    pub result: String,
}

impl Row {
    /// A disclosed event, or what is shown of it.
    #[must_use]
    pub fn new(position: u64, received_at_ms: u64, event: &[u8], document: &mut Document) -> Self {
        let received_at = i64::try_from(received_at_ms).ok().and_then(|ms| ms.checked_mul(1_000));
        let received_at = received_at.and_then(Timestamp::from_micros);
        let mut row = Self {
            position,
            received_at: received_at.map_or_else(String::new, |at| at.to_string()),
            ..Self::default()
        };
        let Ok(event) = document.parse(event, Limits { depth_max: 1 << 10 }) else { return row };
        let text = |value: Option<Value<'_>>| shortened(value.and_then(Value::as_str).unwrap_or_default());
        row.occurred_at = text(event.get("occurred_at"));
        row.action = text(event.get("action"));
        row.actor = event.get("actor").map_or_else(String::new, named);
        row.result = text(event.get("outcome").and_then(|outcome| outcome.get("result")));
        if let Some(targets) = event.get("targets") {
            let all: Vec<String> = targets.items().take(8).map(named).collect();
            row.targets = shortened(all.join(", "));
        }
        row
    }
}

/// Somebody or something by name, id or mail, with its type.
fn named(value: Value<'_>) -> String {
    let text = |name| value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let kind = text("type").unwrap_or_default();
    let name = ["name", "email", "id"].into_iter().find_map(text).unwrap_or_default();
    shortened(match (kind, name) {
        (kind, "") => kind.to_owned(),
        ("", name) => name.to_owned(),
        (kind, name) => format!("{kind} {name}"),
    })
}

fn shortened(text: impl AsRef<str>) -> String {
    let text = text.as_ref();
    match text.char_indices().nth(CELL_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut() {
        let event = format!("{{\"action\":\"{}\"}}", "é".repeat(5_000));
        let row = Row::new(0, 0, event.as_bytes(), &mut Document::default());
        assert_eq!(row.action.chars().count(), CELL_CHARACTERS_MAX + 1);
    }
}
