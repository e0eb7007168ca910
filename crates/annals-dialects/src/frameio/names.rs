//! Names as Frame.io writes them, `AssetCreated` and `asset_created`, and as events have them, `asset.created`.

use annals_event::filter::{Condition, Field, Path, Test, loosen};

use crate::words::Words;

/// The name with a capital where each word begins, and nothing between words: `AssetCreated`.
pub(super) fn camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for part in name.split(is_between) {
        let mut letters = part.chars();
        if let Some(first) = letters.next() {
            out.extend(first.to_uppercase());
            out.push_str(letters.as_str());
        }
    }
    if out.is_empty() { name.to_owned() } else { out }
}

/// The name in small letters, `_` between its words: `asset_created`.
pub(super) fn snake(name: &str) -> String {
    let words = words(name);
    if words.is_empty() { name.to_owned() } else { words.join("_") }
}

/// The name that an event gets for what the wire calls `name`: `asset.created`, with the dot behind the name of what it
/// was done to, or else before the last word. What `write` would not write so again stays as it came.
pub(super) fn action(name: &str, done_to: Option<&str>, write: fn(&str) -> String) -> String {
    let (all, thing) = (words(name), words(done_to.unwrap_or_default()));
    let things = if !thing.is_empty() && all.len() > thing.len() && all.starts_with(&thing) {
        thing.len()
    } else {
        all.len().saturating_sub(1)
    };
    let (thing, rest) = all.split_at(things);
    let action = if thing.is_empty() { rest.join("_") } else { thing.join("_") + "." + &rest.join("_") };
    let is_ours = action.starts_with(annals_event::model::ACTION_PREFIX_RESERVED);
    if is_ours || write(&action) != name { name.to_owned() } else { action }
}

/// As [`action`], for the type of what it was done to: `review_link`.
pub(super) fn thing(name: &str, write: fn(&str) -> String) -> String {
    let thing = snake(name);
    if write(&thing) == name { thing } else { name.to_owned() }
}

/// A member that is shown with this name, however it is written: it is that, or was renamed to it and not from it.
pub(super) fn is_shown(words: &Words, path: &[&str], name: &str) -> Condition {
    let is = |name: &str| Condition::Field(Field::Member(Path::new(path)), Test::Loose(loosen(name).into()));
    let mut all = vec![is(name)];
    let to = words.pairs().filter(|(_, theirs)| loosen(theirs) == loosen(name)).map(|(ours, _)| ours);
    let renamed = Condition::texts(path, words.pairs().map(|(ours, _)| ours));
    if words.pairs().next().is_some() {
        all = vec![Condition::texts(path, to), is(name).and(renamed.negated())];
    }
    Condition::Any(all)
}

/// What stands between words. All of it, and case, is left out where names are compared.
fn is_between(letter: char) -> bool {
    letter.is_ascii() && !letter.is_ascii_alphanumeric()
}

/// The words in small letters: also cut before a capital that follows a small letter or a digit, or is followed by a small letter.
fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    for part in name.split(is_between) {
        let letters: Vec<char> = part.chars().collect();
        let mut word = String::new();
        for (at, letter) in letters.iter().enumerate() {
            let before = at.checked_sub(1).map(|before| letters[before]);
            let follows = before.is_some_and(|before| !before.is_uppercase());
            let precedes = letters.get(at + 1).is_some_and(|next| next.is_lowercase());
            if letter.is_uppercase() && before.is_some() && (follows || precedes) {
                words.push(std::mem::take(&mut word));
            }
            word.extend(letter.to_lowercase());
        }
        words.push(word);
    }
    words.retain(|word| !word.is_empty());
    words
}
