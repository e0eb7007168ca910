//! What a bundle says to people: `report.html` and `README.txt`. They prove nothing.
//!
//! The page is complete in itself: it loads nothing, has no script, and prints. Whatever came from events or askers stands in it
//! as text alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use annals_bundle::{Manifest, Mode, Verdict};
use annals_verify::Row;

/// What the report is made of.
#[derive(Debug)]
pub struct Report<'a> {
    /// As it will stand beside it, but for the files.
    pub manifest: &'a Manifest,
    /// The signed note.
    pub checkpoint: &'a str,
    /// The log's key, as the server tells.
    pub public_key: &'a str,
    /// Positions by verdict.
    pub verdicts: &'a BTreeMap<Verdict, u64>,
    /// How many events the filter takes.
    pub matched: u64,
    /// The first of them.
    pub rows: &'a [Row],
    /// Size of the earlier checkpoint, if there is one.
    pub earlier: Option<u64>,
}

impl Report<'_> {
    /// `report.html`.
    #[must_use]
    pub fn html(&self) -> String {
        let Manifest { origin, tenant, log, size, range, created_at, program, .. } = self.manifest;
        let whose = format!("{} of tenant {tenant}", log_words(log));
        let mut out = String::from(HEAD);
        let title = escaped(&whose);
        write!(out, "<title>Evidence: {title}</title>\n</head>\n<body>\n<h1>Evidence: {title}</h1>\n")
            .expect(WRITES);
        out.push_str("<p>This page was made together with the bundle it lies in and proves nothing by itself. What the bundle proves is found by verifying it, see below.</p>\n<table class=\"facts\">\n");
        let mut fact = |name: &str, value: &str| {
            writeln!(out, "<tr><th>{}</th><td>{}</td></tr>", escaped(name), escaped(value)).expect(WRITES);
        };
        fact("Log", origin);
        fact("Tenant, as the server calls it", tenant);
        fact("Which log", log_words(log));
        fact(
            "Range of positions",
            &format!("{} to {}, of {size} records", range.0, range.1.saturating_sub(1)),
        );
        fact("Filter", self.manifest.filter.as_deref().unwrap_or("none: every record"));
        fact("Mode", mode_words(self.manifest.mode));
        if !self.manifest.withheld.is_empty() {
            fact("Withheld on purpose", &self.manifest.withheld.join(", "));
        }
        fact("Events that the filter takes", &self.matched.to_string());
        fact("Positions with an entry", &self.manifest.counts.records.to_string());
        for verdict in Verdict::ALL {
            let count = self.verdicts.get(&verdict).copied().unwrap_or(0);
            fact(&format!("Of these {verdict}"), &count.to_string());
        }
        if let Some(earlier) = self.earlier {
            fact("Extends the checkpoint of size", &earlier.to_string());
        }
        fact("Key, as the server tells", self.public_key);
        fact("Made at", created_at);
        fact("Made by", program);
        out.push_str("</table>\n<h2>Checkpoint</h2>\n<pre>");
        out.push_str(&escaped(self.checkpoint));
        out.push_str("</pre>\n<h2>How to verify</h2>\n");
        out.push_str(HOW_TO);
        self.list(&mut out);
        out.push_str("</body>\n</html>\n");
        out
    }

    fn list(&self, out: &mut String) {
        let shown = self.rows.len() as u64;
        let more = match self.matched.saturating_sub(shown) {
            0 => String::new(),
            more => format!(" The other {more} are in log.ndjson alone."),
        };
        write!(out, "<h2>Events</h2>\n<p>The first {shown} of {}.{more}</p>\n<table class=\"events\">\n<thead><tr><th>Position</th><th>Received</th><th>Occurred</th><th>Action</th><th>Actor</th><th>Targets</th><th>Result</th></tr></thead>\n<tbody>\n", self.matched).expect(WRITES);
        for row in self.rows {
            write!(out, "<tr><td>{}</td>", row.position).expect(WRITES);
            for cell in
                [&row.received_at, &row.occurred_at, &row.action, &row.actor, &row.targets, &row.result]
            {
                write!(out, "<td>{}</td>", escaped(cell)).expect(WRITES);
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</tbody>\n</table>\n");
    }
}

const WRITES: &str = "a String takes everything";

fn log_words(log: &str) -> &'static str {
    match log {
        "access" => "access log",
        _ => "audit log",
    }
}

fn mode_words(mode: Mode) -> &'static str {
    match mode {
        Mode::Selection => {
            "selection: the events that the filter takes. That there are no others cannot be seen from the bundle."
        }
        Mode::GapFree => {
            "gap-free: every position of the range has its entry; the events that the filter takes are shown."
        }
        Mode::Covered => {
            "covered: every position of the range has its entry, and of each event that the filter leaves out the bundle shows what proves that it does."
        }
    }
}

/// A text as HTML shows it, in elements and in attributes.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(character),
            // Control characters have no place in HTML, and those that turn the direction of text would deceive readers.
            c if c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}') => {
                out.push('\u{FFFD}');
            }
            c => out.push(c),
        }
    }
    out
}

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #111; background: #fff; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #ccc; padding: .3rem .6rem; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
.facts th { width: 16rem; font-weight: 600; }
.events { font-size: 12px; }
pre { background: #f4f4f4; padding: .8rem; white-space: pre-wrap; overflow-wrap: anywhere; }
thead { display: table-header-group; }
tr { break-inside: avoid; }
@media print { body { margin: 0; max-width: none; } }
</style>
"#;

const HOW_TO: &str = "<p>With annals, on any computer, without a network:</p>\n<pre>annals verify BUNDLE.zip --log-key KEY</pre>\n<p>Take KEY from somewhere else than this bundle: whoever made the bundle wrote the key into it too. Without <code>--log-key</code> the command says that only the bundle vouches for its key.</p>\n<p>With other tools: <code>checkpoint</code> is a C2SP signed note and verifies with any of its tools; <code>sha256sum</code> gives the hashes in <code>manifest.json</code>; a verifier of <code>log.ndjson</code> can be written from <code>docs/reference/bundle-format.md</code> and <code>docs/reference/commitment.md</code> of annals, with SHA-256 and Ed25519 alone.</p>\n";

/// `README.txt`.
#[must_use]
pub fn readme(manifest: &Manifest) -> String {
    let Manifest { origin, tenant, log, size, range, created_at, .. } = manifest;
    format!(
        "Evidence from the {} of tenant {tenant}\n\
         made at {created_at}\n\
         \n\
         Log        {origin}\n\
         Positions  {} to {}, of {size} records\n\
         \n\
         What is in here\n\
         \n\
         report.html       for people; open it in a browser. It proves nothing\n\
         manifest.json     what the bundle says of itself, and SHA-256 of each file\n\
         checkpoint        the signed state of the log (C2SP signed note)\n\
         log.ndjson        the log: events, and hashes in place of what is not shown\n\
         lifecycle.ndjson  the log's own entries: erasures, expiries, policies, keys\n\
         trust.json        the log's keys, as the server tells\n\
         earlier.json      if it is there: proof that the log extends an earlier checkpoint\n\
         \n\
         How to verify, on any computer and without a network\n\
         \n\
         annals verify THIS-FILE.zip --log-key KEY\n\
         \n\
         Take KEY from somewhere else than this archive. Exit code 0 means that everything\n\
         holds. The format is described byte by byte in docs/reference/bundle-format.md of\n\
         annals; SHA-256 and Ed25519 are all that a verifier needs.\n",
        log_words(log),
        range.0,
        range.1.saturating_sub(1),
    )
}

#[cfg(test)]
mod tests {
    use annals_event::json::Document;

    use super::*;

    #[test]
    fn what_comes_from_events_is_text_and_nothing_else() {
        let event = br#"{"action":"<script>alert(1)</script>","actor":{"id":"\"onload='x'","type":"user"},"targets":[{"id":"a&b","type":"</td>"}]}"#;
        let row = Row::new(7, 1_795_303_721_456, event, &mut Document::default());
        let manifest = Manifest {
            format: annals_bundle::FORMAT.to_owned(),
            origin: "log.example/t/00".to_owned(),
            tenant: "<img src=x>".to_owned(),
            log: "events".to_owned(),
            size: 9,
            range: (0, 9),
            mode: Mode::Selection,
            filter: Some("q=<b>&action='x'".to_owned()),
            withheld: vec!["/a<".to_owned()],
            created_at: "2026-11-22T00:00:00Z".to_owned(),
            program: "test".to_owned(),
            counts: annals_bundle::Counts::default(),
            files: Vec::new(),
        };
        let report = Report {
            manifest: &manifest,
            checkpoint: "log.example/t/00\n9\n<root>\n",
            public_key: "k",
            verdicts: &BTreeMap::new(),
            matched: 3,
            rows: &[row],
            earlier: None,
        };
        let html = report.html();
        for harmful in ["<script", "<img", "<b>", "</td></td>", "'x'", "\"onload", "<root>", "/a<<"] {
            assert!(!html.contains(harmful), "{harmful}");
        }
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
        assert!(html.contains("user &quot;onload=&#39;x&#39;"));
        assert!(html.contains("The first 1 of 3. The other 2 are in log.ndjson alone."));
        for outside in ["http://", "https://", "<img", "<link", "url(", "@import"] {
            assert!(!html.contains(outside), "{outside}");
        }
    }
}
