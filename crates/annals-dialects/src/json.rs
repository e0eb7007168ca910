//! JSON with its members in a stated order: answers are compared byte for byte, and some clients are written by hand.

use annals_event::json::{Value, write_string};

/// An object that is being written.
#[derive(Debug)]
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

/// Appends an object.
pub fn object(out: &mut Vec<u8>, write: impl FnOnce(&mut Object<'_>)) {
    out.push(b'{');
    write(&mut Object { out, first: true });
    out.push(b'}');
}

impl Object<'_> {
    /// Appends the member's name; what is appended next is its value.
    pub fn member(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        write_string(name, self.out);
        self.out.push(b':');
        self.out
    }

    /// A text.
    pub fn text(&mut self, name: &str, text: &str) {
        write_string(text, self.member(name));
    }

    /// A text, or `null`.
    pub fn text_or_null(&mut self, name: &str, text: Option<&str>) {
        match text {
            Some(text) => self.text(name, text),
            None => self.null(name),
        }
    }

    /// A text; nothing where there is none.
    pub fn text_if(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// A value of another document, digit for digit.
    pub fn value(&mut self, name: &str, value: Value<'_>) {
        value.write_canonical(self.member(name));
    }

    /// A value of another document, or `null`.
    pub fn value_or_null(&mut self, name: &str, value: Option<Value<'_>>) {
        match value {
            Some(value) => self.value(name, value),
            None => self.null(name),
        }
    }

    /// An array of texts.
    pub fn texts(&mut self, name: &str, texts: &[&str]) {
        let out = self.member(name);
        out.push(b'[');
        for (index, text) in texts.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_string(text, out);
        }
        out.push(b']');
    }

    /// An array of objects.
    pub fn array<T>(&mut self, name: &str, all: &[T], write: impl Fn(&mut Object<'_>, &T)) {
        let out = self.member(name);
        out.push(b'[');
        for (index, one) in all.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            object(out, |object| write(object, one));
        }
        out.push(b']');
    }

    /// An object of texts, without those that there are not; nothing where there is none.
    pub fn texts_if(&mut self, name: &str, texts: &[(&str, Option<&str>)]) {
        if texts.iter().any(|(_, text)| text.is_some()) {
            self.object(name, |object| {
                for (name, text) in texts {
                    object.text_if(name, *text);
                }
            });
        }
    }

    /// An object of texts, `null` where there are none.
    pub fn texts_or_null(&mut self, name: &str, texts: &[(&str, Option<&str>)]) {
        self.object(name, |object| {
            for (name, text) in texts {
                object.text_or_null(name, *text);
            }
        });
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, name: &str, is: bool) {
        self.member(name).extend_from_slice(if is { b"true" } else { b"false" });
    }

    /// A whole number that may be below 0.
    pub fn signed(&mut self, name: &str, number: i64) {
        self.member(name).extend_from_slice(number.to_string().as_bytes());
    }

    /// A whole number.
    pub fn integer(&mut self, name: &str, number: u64) {
        self.member(name).extend_from_slice(number.to_string().as_bytes());
    }

    /// `null`.
    pub fn null(&mut self, name: &str) {
        self.member(name).extend_from_slice(b"null");
    }

    /// An object.
    pub fn object(&mut self, name: &str, write: impl FnOnce(&mut Object<'_>)) {
        object(self.member(name), write);
    }
}

/// The value at a path of members.
#[must_use]
pub fn at<'a>(root: Value<'a>, path: &[&str]) -> Option<Value<'a>> {
    path.iter().try_fold(root, |value, name| value.get(name))
}

/// The text at a path of members, if there is one.
#[must_use]
pub fn text_if_at<'a>(root: Value<'a>, path: &[&str]) -> Option<&'a str> {
    at(root, path).and_then(Value::as_str)
}

/// The first of an event's targets.
#[must_use]
pub fn first_target(event: Value<'_>) -> Option<Value<'_>> {
    event.get("targets").and_then(|targets| targets.items().next())
}

/// The text at a path of members; empty where there is none.
#[must_use]
pub fn text_at<'a>(root: Value<'a>, path: &[&str]) -> &'a str {
    at(root, path).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_stand_in_the_order_written_and_texts_are_escaped() {
        let mut out = Vec::new();
        object(&mut out, |all| {
            all.text("b", "a \"quote\"\n");
            all.integer("a", u64::MAX);
            all.object("none", |_| {});
            all.text_or_null("x", None);
        });
        let expected = r#"{"b":"a \"quote\"\n","a":18446744073709551615,"none":{},"x":null}"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
