//! Metadata: the part of an event that every product fills in its own way.

use super::calendar::{DAY_US, push_date};
use super::json::Json;
use super::rng::Rng;
use super::tenants::Detail;

/// Room for all that is written here.
const METADATA_BYTES: usize = 160;

/// A JSON object, or nothing at all.
pub(super) fn metadata(rng: &mut Rng, at_us: i64, detail: Detail) -> String {
    if matches!(detail, Detail::None) {
        return String::new();
    }
    let mut json = Json::object(Vec::with_capacity(METADATA_BYTES));
    match detail {
        Detail::None => {}
        Detail::Client => {
            json.open("client");
            json.text("name", rng.pick(&["web", "web", "mobile", "desktop"]));
            json.text("version", rng.pick(&["5.3.1", "5.3.0", "5.2.8", "6.0.0-beta.2"]));
            json.close();
            json.hundredths("latency_ms", 300 + u64::from(rng.below(24_000)));
            if rng.chance(400) {
                json.raw("flags", rng.pick(&["[]", r#"["new-player"]"#, r#"["dark-mode","beta"]"#, "null"]));
            }
        }
        Detail::File => {
            json.integer("bytes", u64::from(rng.below(4_000_000_000)) + 40_000);
            json.hundredths("duration_s", u64::from(rng.below(720_000)));
            json.text("codec", rng.pick(&["h264", "h265", "av1", "prores"]));
            json.raw("checksum", "null");
        }
        Detail::Money => {
            json.hundredths(
                "amount",
                900 + u64::from(rng.below(4_000_000)).min(u64::from(rng.below(9_000_000))),
            );
            json.text("currency", rng.pick(&["BRL", "BRL", "BRL", "EUR", "JPY"]));
            json.integer("lines", 1 + u64::from(rng.below(14)));
            json.raw("purchase_order", rng.pick(&["null", r#""po-4471""#, r#""po-5120""#, r#""po-6008""#]));
        }
        Detail::Care => {
            json.text("relationship", "treating");
            json.text("purpose", rng.pick(&["treatment", "treatment", "follow-up", "referral"]));
            json.flag("break_glass", false);
            json.raw("ward", rng.pick(&["null", r#""3B""#, r#""2A""#, r#"{"floor":2,"bed":14}"#]));
        }
        Detail::Export => {
            json.text("format", rng.pick(&["csv", "xlsx", "json"]));
            json.integer("rows", 40 + u64::from(rng.below(4_000)));
            json.open("filter");
            json.text("from", &date(at_us - DAY_US * i64::from(7 + rng.below(60))));
            json.text("to", &date(at_us));
            json.raw("tags", rng.pick(&["[]", r#"["month-end"]"#, r#"["público","2026"]"#]));
            json.close();
        }
        Detail::Job => {
            json.integer("attempt", if rng.chance(900) { 1 } else { 2 });
            json.integer("duration_ms", 40 + u64::from(rng.below(90_000)));
            json.text("queue", rng.pick(&["default", "bulk", "nightly"]));
            json.null("next_retry");
        }
        Detail::Token => {
            json.raw("scopes", rng.pick(&[r#"["read"]"#, r#"["read","write"]"#, r#"["read","comment"]"#]));
            if rng.chance(650) {
                json.text("expires_on", &date(at_us + DAY_US * 7));
            } else {
                json.null("expires_on");
            }
        }
        Detail::Login => {
            json.text("method", rng.pick(&["password", "password", "passkey", "sso"]));
            json.raw("second_factor", rng.pick(&[r#""totp""#, r#""totp""#, r#""security_key""#, "null"]));
            json.flag("new_device", rng.chance(20));
        }
    }
    json.close();
    String::from_utf8(json.into_bytes()).expect("JSON made of text is text")
}

fn date(at_us: i64) -> String {
    let mut date = Vec::with_capacity(10);
    push_date(&mut date, at_us);
    String::from_utf8(date).expect("dates are ASCII")
}
