//! Reading the file.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Given, Layers, Origin, SETTINGS, nearest, shown};
use crate::exit::{Exit, Failure};

/// What the file says. Every key in it is a setting.
pub(super) fn read(path: &Path) -> Result<Layers, Failure> {
    let text =
        std::fs::read_to_string(path).map_err(|error| Failure::io("read the settings in", path, &error))?;
    parse(&shown(path), &text)
}

/// As [`read`], with the file's text in hand.
pub(super) fn parse(path: &str, text: &str) -> Result<Layers, Failure> {
    let place = Place { path, text };
    let table = DeTable::parse(text).map_err(|error| {
        place.refuse(&error.span().unwrap_or(0..0), error.message().trim_end().replace('\n', ", "))
    })?;
    let mut layers = Layers::new();
    walk(&place, table.get_ref(), "", &mut layers)?;
    Ok(layers)
}

fn walk(place: &Place<'_>, table: &DeTable<'_>, prefix: &str, layers: &mut Layers) -> Result<(), Failure> {
    for (name, value) in table {
        let key = format!("{prefix}{}", name.get_ref());
        if let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) {
            let (values, is_list) = texts(place, &key, value)?;
            layers.insert(setting.key, Given { values, is_list, origin: place.origin(&value.span()) });
            continue;
        }
        let inner = format!("{key}.");
        let is_section = SETTINGS.iter().any(|setting| setting.key.starts_with(&inner));
        match value.get_ref() {
            DeValue::Table(table) if is_section => walk(place, table, &inner, layers)?,
            _ if is_section => return Err(place.refuse(&value.span(), format!("`{key}` must be a table"))),
            _ => {
                let sections = SETTINGS
                    .iter()
                    .filter_map(|setting| setting.key.split_once('.').map(|(section, _)| section));
                let failure = place.refuse(&name.span(), format!("`{key}` is not a setting"));
                return Err(
                    match nearest(&key, SETTINGS.iter().map(|setting| setting.key).chain(sections)) {
                        Some(meant) => failure.with_hint(format!("did you mean `{meant}`?")),
                        None => failure.with_hint("`annals config example` lists all settings"),
                    },
                );
            }
        }
    }
    Ok(())
}

/// The value as text, or the texts of a list.
fn texts(place: &Place<'_>, key: &str, value: &Spanned<DeValue<'_>>) -> Result<(Vec<String>, bool), Failure> {
    match value.get_ref() {
        DeValue::Array(list) => {
            let texts = list.iter().map(|item| match item.get_ref() {
                DeValue::String(text) => Ok(text.to_string()),
                _ => Err(place.refuse(&item.span(), format!("`{key}` must be a list of strings"))),
            });
            Ok((texts.collect::<Result<_, _>>()?, true))
        }
        DeValue::String(text) => Ok((vec![text.to_string()], false)),
        DeValue::Boolean(flag) => Ok((vec![flag.to_string()], false)),
        DeValue::Integer(number) => Ok((vec![number.as_str().to_owned()], false)),
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => {
            Err(place
                .refuse(&value.span(), format!("`{key}` must be a string, a whole number, true or false")))
        }
    }
}

/// Where in which file something stands.
struct Place<'a> {
    path: &'a str,
    text: &'a str,
}

impl Place<'_> {
    fn origin(&self, span: &Range<usize>) -> Origin {
        let before = &self.text[..self.text.floor_char_boundary(span.start)];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        Origin::File { path: self.path.to_owned(), line, column }
    }

    fn refuse(&self, span: &Range<usize>, problem: impl std::fmt::Display) -> Failure {
        Failure::new(Exit::Invalid, format!("{}: {problem}", self.origin(span)))
    }
}
