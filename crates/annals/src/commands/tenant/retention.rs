//! `annals tenant retention`.

use annals_ledger::{RETENTION_PRESETS, RetentionLog};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::api::{Query, ServerFlags};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::show::table::{self, Cell, Column};
use crate::show::text;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Show how long a tenant's records are kept
    #[command(after_help = "Example:\n  annals tenant retention show acme")]
    Show {
        /// The tenant; not needed with a tenant's key
        #[arg(value_name = "ID", conflicts_with = "tenant")]
        id: Option<String>,
        #[command(flatten)]
        server: ServerFlags,
    },
    /// Say how long a tenant's records are kept
    ///
    /// These rules take the place of all that were, for records that come after. A class that becomes longer is so at once, for all
    /// records that have it; one that becomes shorter 7 days later. A rule is NAME=TIME, then conditions: `action=BEGINNING`,
    /// `category=TEXT`, `log=access`. Where several speak of a record, the one with the longest `action` counts, then one with a
    /// `category`. What no rule speaks of is kept for ever.
    #[command(after_help = "\
Examples:
  annals tenant retention set acme --rule all=90d --rule 'logins=400d,action=user.login' --rule reads=30d,log=access
  annals tenant retention set acme --preset pci-12-months
  annals tenant retention set acme --none")]
    Set {
        /// The tenant; not needed with a tenant's key
        #[arg(value_name = "ID", conflicts_with = "tenant")]
        id: Option<String>,
        /// NAME=TIME, such as `all=90d`, and conditions after commas; may be repeated
        #[arg(long = "rule", value_name = "RULE", required_unless_present_any = ["preset", "none"])]
        rules: Vec<String>,
        /// Rules for a known purpose, see `annals tenant retention presets`
        #[arg(long, value_name = "NAME")]
        preset: Option<String>,
        /// No rules: new records are kept for ever
        #[arg(long, conflicts_with_all = ["rules", "preset"])]
        none: bool,
        #[command(flatten)]
        server: ServerFlags,
    },
    /// Show what would be gone at a time, of what is there now
    #[command(after_help = "Example:\n  annals tenant retention preview acme --at 2027-01-01")]
    Preview {
        /// The tenant; not needed with a tenant's key
        #[arg(value_name = "ID", conflicts_with = "tenant")]
        id: Option<String>,
        /// A day, at its beginning in UTC, or an RFC 3339 time
        #[arg(long, value_name = "TIME")]
        at: String,
        #[command(flatten)]
        server: ServerFlags,
    },
    /// List rules for known purposes
    ///
    /// Asks nobody. They are meant for what they name, and are no legal advice.
    #[command(after_help = "Example:\n  annals tenant retention presets")]
    Presets,
}

const CLASSES: &[Column] = &[
    Column { title: "CLASS", least: 5, typical: 0, leaves: 0 },
    Column { title: "NAME", least: 8, typical: 0, leaves: 0 },
    Column { title: "KEPT", least: 6, typical: 0, leaves: 0 },
    Column { title: "THEN", least: 6, typical: 0, leaves: 1 },
    Column { title: "NEW RECORDS", least: 11, typical: 0, leaves: 2 },
];

const PRESETS: &[Column] = &[
    Column { title: "PRESET", least: 10, typical: 0, leaves: 0 },
    Column { title: "EVENTS", least: 6, typical: 0, leaves: 0 },
    Column { title: "ACCESS LOG", least: 10, typical: 0, leaves: 0 },
    Column { title: "MEANT FOR", least: 20, typical: 0, leaves: 1 },
];

const GONE: &[Column] = &[
    Column { title: "CLASS", least: 5, typical: 0, leaves: 0 },
    Column { title: "NAME", least: 8, typical: 0, leaves: 1 },
    Column { title: "RECORDS", least: 7, typical: 0, leaves: 0 },
    Column { title: "BYTES", least: 7, typical: 0, leaves: 2 },
    Column { title: "HELD", least: 4, typical: 0, leaves: 0 },
];

pub(super) async fn run(command: &Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Show { id, server } => {
            let api = server.api()?;
            let request = api.request(Method::GET, &["v1", "retention"], &whose(id.as_ref(), server));
            show(&api.value(request).await?, output)
        }
        Command::Set { id, rules, preset, none: _, server } => {
            let rules = rules_of(rules, preset.as_deref())?;
            let api = server.api()?;
            let request = api.request(Method::PUT, &["v1", "retention"], &whose(id.as_ref(), server));
            let body = json!({"rules": rules}).to_string();
            show(&api.value(request.header(CONTENT_TYPE, "application/json").body(body)).await?, output)
        }
        Command::Preview { id, at, server } => {
            let api = server.api()?;
            let mut query = whose(id.as_ref(), server);
            query.push(("at".to_owned(), at.clone()));
            let told = api.value(api.request(Method::GET, &["v1", "retention", "preview"], &query)).await?;
            preview(&told, output)
        }
        Command::Presets => presets(output),
    }
}

/// The query parameter that names the tenant, if one was named.
fn whose(id: Option<&String>, server: &ServerFlags) -> Query {
    id.map_or_else(|| server.tenant_parameter(), |id| vec![("tenant".to_owned(), id.clone())])
}

/// Rules as they stand in a body.
fn rules_of(rules: &[String], preset: Option<&str>) -> Result<Vec<Value>, Failure> {
    let mut all = Vec::new();
    if let Some(name) = preset {
        let preset = RETENTION_PRESETS.iter().find(|preset| preset.name == name).ok_or_else(|| {
            Failure::new(Exit::Invalid, format!("`{name}` is no preset"))
                .with_hint("see `annals tenant retention presets`")
        })?;
        all.extend(preset.rules().into_iter().map(|rule| {
            let log = if rule.log == RetentionLog::Access { "access" } else { "events" };
            json!({"name": rule.name, "keep": format!("{}h", rule.hours), "log": log})
        }));
    }
    for rule in rules {
        all.push(rule_of(rule)?);
    }
    Ok(all)
}

fn rule_of(text: &str) -> Result<Value, Failure> {
    let wrong = |what: &str| {
        Failure::new(Exit::Invalid, format!("`--rule {text}` {what}"))
            .with_hint("write NAME=TIME, then conditions: `logins=400d,action=user.login`")
    };
    let mut parts = text.split(',');
    let (name, keep) =
        parts.next().and_then(|first| first.split_once('=')).ok_or_else(|| wrong("has no NAME=TIME"))?;
    let mut rule = json!({"name": name, "keep": keep});
    for part in parts {
        let (member, value) = part.split_once('=').ok_or_else(|| wrong("has a condition without `=`"))?;
        if !["action", "category", "log"].contains(&member) {
            return Err(wrong(&format!(
                "has the condition `{member}`; there are `action`, `category` and `log`"
            )));
        }
        if rule.get(member).is_some() {
            return Err(wrong(&format!("has `{member}` twice")));
        }
        rule[member] = value.into();
    }
    Ok(rule)
}

fn cell(value: &Value) -> Cell {
    match value {
        Value::String(text) => Cell::new(text),
        Value::Null => Cell::new(""),
        other => Cell::new(&other.to_string()),
    }
}

fn show(told: &Value, output: Output) -> Result<(), Failure> {
    let list = |name: &str| told[name].as_array().cloned().unwrap_or_default();
    let (classes, rules) = (list("classes"), list("rules"));
    let row = |class: &Value| {
        let then = match (class["then"]["keep"].as_str(), class["then"]["from"].as_str()) {
            (Some(keep), Some(from)) => format!("{keep} from {from}"),
            (Some(keep), None) => keep.to_owned(),
            _ => String::new(),
        };
        let rule = rules.iter().find(|rule| rule["name"] == class["name"]);
        let new = rule.map_or_else(|| "none".to_owned(), words);
        vec![
            cell(&class["class"]),
            cell(&class["name"]),
            cell(&class["keep"]),
            Cell::new(&then),
            Cell::new(&new),
        ]
    };
    table::print("class", &classes, CLASSES, row, output)?;
    match told["ended_at"].as_str() {
        Some(at) => output.note(&format!("the tenant ended at {}; all its records expire", text::safe(at))),
        None if rules.is_empty() => output.note("new records are kept for ever"),
        None => {}
    }
    Ok(())
}

/// Which records a rule speaks of.
fn words(rule: &Value) -> String {
    let mut words = Vec::new();
    if let Some(action) = rule["action"].as_str() {
        words.push(format!("action {action}…"));
    }
    if let Some(category) = rule["category"].as_str() {
        words.push(format!("category {category}"));
    }
    match (rule["log"].as_str(), words.is_empty()) {
        (Some("access"), true) => "access log".to_owned(),
        (Some("access"), false) => format!("access log, {}", words.join(", ")),
        (_, true) => "all".to_owned(),
        _ => words.join(", "),
    }
}

fn preview(told: &Value, output: Output) -> Result<(), Failure> {
    let classes = told["classes"].as_array().cloned().unwrap_or_default();
    if output.is_json() {
        for class in &classes {
            let mut item = class.clone();
            (item["type"], item["item"]) = ("item".into(), "class".into());
            output.raw(&item.to_string())?;
        }
        let result = json!({
            "type": "result", "count": classes.len(), "at": told["at"], "holds": told["holds"], "partial": told["partial"],
        });
        return output.raw(&result.to_string());
    }
    let row = |class: &Value| {
        ["class", "name", "records", "event_bytes", "held"].iter().map(|name| cell(&class[*name])).collect()
    };
    table::print("class", &classes, GONE, row, output)?;
    let at = text::safe(told["at"].as_str().unwrap_or_default()).into_owned();
    if classes.is_empty() {
        output.note(&format!("nothing of what is there now would be gone at {at}"));
    }
    for hold in told["holds"].as_array().into_iter().flatten() {
        let id = text::safe(hold["id"].as_str().unwrap_or_default()).into_owned();
        output.note(&format!("hold {id} keeps {} of them", hold["records"]));
    }
    if told["partial"] == true {
        output.note("there was no time to look at all records: there may be more");
    }
    Ok(())
}

fn presets(output: Output) -> Result<(), Failure> {
    let all: Vec<Value> = RETENTION_PRESETS
        .iter()
        .map(|preset| {
            let days = |hours: u32| format!("{}d", hours / 24);
            json!({"name": preset.name, "events": days(preset.hours.0), "access": days(preset.hours.1), "about": preset.about})
        })
        .collect();
    let row = |preset: &Value| {
        ["name", "events", "access", "about"].iter().map(|name| cell(&preset[*name])).collect()
    };
    table::print("preset", &all, PRESETS, row, output)?;
    output.note("presets are meant for what they name, and are no legal advice");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_read_with_its_conditions_and_a_wrong_one_is_told() {
        assert_eq!(
            rule_of("logins=400d,action=user.login,category=auth").unwrap(),
            json!({"name": "logins", "keep": "400d", "action": "user.login", "category": "auth"})
        );
        assert_eq!(rule_of("reads=30d,log=access").unwrap()["log"], "access");
        for (text, told) in [
            ("all", "has no NAME=TIME"),
            ("all=1d,action", "without `=`"),
            ("all=1d,actor=x", "`actor`"),
            ("all=1d,log=access,log=events", "twice"),
        ] {
            let said = format!("{:?}", rule_of(text).unwrap_err());
            assert!(said.contains(told), "{said}");
        }
        assert_eq!(rules_of(&[], Some("pci-12-months")).unwrap().len(), 2);
        assert!(rules_of(&[], Some("none")).is_err());
    }
}
