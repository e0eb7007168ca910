//! A row as the event that is sent.

use annals_event::json::{Document, Kind, Limits, Value, write_string};
use annals_event::{Code, Rejection, Rules};

use crate::client::ingest::Rejected;

/// Longest event that is read, bytes: no server takes more than half of it. A longer one is parked unread.
pub(super) const EVENT_BYTES_MAX: i64 = 2 << 20;

/// A row of the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Its place in the order, and what it is deleted by.
    pub(super) number: i64,
    /// The id of its event, unless the event has one.
    pub(super) event_id: String,
    /// Its tenant, where the table has such a column.
    pub(super) tenant: Option<String>,
    /// The event; none when it is longer than [`EVENT_BYTES_MAX`].
    pub(super) event: Option<String>,
}

impl Row {
    /// The event with an id and, where `tenant` or the row names one, a tenant. The same at every call.
    ///
    /// # Errors
    ///
    /// What the server would say of the event, as far as it keeps the event from being given an id.
    pub(super) fn event(&self, tenant: Option<&str>) -> Result<Vec<u8>, Rejected> {
        let Some(event) = &self.event else {
            let detail = format!("the event is longer than {EVENT_BYTES_MAX} bytes, and was not read");
            return Err(rejected("event_bytes", "", detail));
        };
        let mut document = Document::default();
        let limits = Limits { depth_max: Rules::default().depth_max };
        let event = document.parse(event.as_bytes(), limits).map_err(refused)?;
        if event.kind() != Kind::Object {
            let detail = format!("the event is {}, not an object", event.kind().described());
            return Err(rejected(Code::NotObject.as_str(), "", detail));
        }
        let mut out = Vec::with_capacity(event.token().len() + 256);
        out.push(b'{');
        for (name, ours) in [("id", Some(&*self.event_id)), ("tenant", self.tenant.as_deref().or(tenant))] {
            match (ours, event.get(name).filter(|value| !is_absent(*value))) {
                (Some(ours), None) => {
                    member(&mut out, name);
                    write_string(ours, &mut out);
                }
                // The event's own goes along with the others below; of two tenants neither is to be believed.
                (Some(ours), Some(own)) if name == "tenant" && own.as_str() != Some(ours) => {
                    let detail = format!("the event names another tenant than its row, which says `{ours}`");
                    return Err(rejected("tenant_mismatch", "/tenant", detail));
                }
                _ => {}
            }
        }
        for (name, value) in event.members() {
            if !(matches!(name, "id" | "tenant") && is_absent(value)) {
                member(&mut out, name);
                value.write_canonical(&mut out);
            }
        }
        out.push(b'}');
        Ok(out)
    }
}

/// Absence, as a member of the model has it.
fn is_absent(value: Value<'_>) -> bool {
    match value.kind() {
        Kind::Null => true,
        Kind::Array | Kind::Object => value.is_empty(),
        _ => false,
    }
}

fn member(out: &mut Vec<u8>, name: &str) {
    if out.len() > 1 {
        out.push(b',');
    }
    write_string(name, out);
    out.push(b':');
}

fn rejected(code: &str, pointer: &str, detail: String) -> Rejected {
    Rejected { code: code.to_owned(), pointer: pointer.to_owned(), detail }
}

fn refused(rejection: Rejection) -> Rejected {
    Rejected {
        code: rejection.code.as_str().to_owned(),
        pointer: rejection.pointer,
        detail: rejection.message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(tenant: Option<&str>, event: &str) -> Row {
        Row {
            number: 7,
            event_id: "00000000-0000-4000-8000-000000000007".to_owned(),
            tenant: tenant.map(str::to_owned),
            event: Some(event.to_owned()),
        }
    }

    fn sent(row: &Row, tenant: Option<&str>) -> String {
        String::from_utf8(row.event(tenant).unwrap()).unwrap()
    }

    #[test]
    fn an_event_without_id_gets_that_of_its_row_and_keeps_every_digit() {
        let row = row(None, "{\n \"action\": \"a\",\r\n \"metadata\": {\"n\": 1.10, \"m\": -0, \"e\": 1e2}}");
        let expected = concat!(
            r#"{"id":"00000000-0000-4000-8000-000000000007","#,
            r#""action":"a","metadata":{"e":1e2,"m":-0,"n":1.10}}"#
        );
        assert_eq!(sent(&row, None), expected);
    }

    #[test]
    fn an_event_keeps_its_own_id_unless_that_is_absence() {
        assert_eq!(sent(&row(None, r#"{"id":"mine","x":1}"#), None), r#"{"id":"mine","x":1}"#);
        for absent in ["null", "{}", "[]"] {
            let event = sent(&row(None, &format!(r#"{{"id":{absent},"x":1}}"#)), None);
            assert_eq!(event, r#"{"id":"00000000-0000-4000-8000-000000000007","x":1}"#);
        }
    }

    #[test]
    fn the_tenant_comes_from_the_row_and_then_from_the_flag() {
        let event = r#"{"id":"e"}"#;
        assert_eq!(sent(&row(Some("acme"), event), Some("other")), r#"{"tenant":"acme","id":"e"}"#);
        assert_eq!(sent(&row(None, event), Some("other")), r#"{"tenant":"other","id":"e"}"#);
        assert_eq!(sent(&row(None, event), None), r#"{"id":"e"}"#);
        let named = r#"{"id":"e","tenant":"acme"}"#;
        assert_eq!(sent(&row(Some("acme"), named), None), named);
        let error = row(Some("other"), named).event(None).unwrap_err();
        assert_eq!((&*error.code, &*error.pointer), ("tenant_mismatch", "/tenant"));
    }

    #[test]
    fn what_cannot_be_given_an_id_is_refused_in_the_servers_words() {
        let code = |event: &str| row(None, event).event(None).unwrap_err().code;
        assert_eq!(code(r#"{"a":1,"a":2}"#), "duplicate_member");
        assert_eq!(code("[1]"), "not_object");
        assert_eq!(code("{"), "json");
        assert_eq!(code(r#"{"a":"\ud800"}"#), "lone_surrogate");
        assert_eq!(code(&"[".repeat(100_000)), "depth");
        let unread = Row { event: None, ..row(None, "") };
        assert_eq!(unread.event(None).unwrap_err().code, "event_bytes");
    }
}
