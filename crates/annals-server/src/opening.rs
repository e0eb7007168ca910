//! What a reader needs to check for himself that an event is the one in its log: `GET /v1/events/{id}/opening`.

use std::sync::Arc;

use annals_ledger::{Disclosed, Discloses, ErasedUnit, Shown};
use annals_tree::commitment::salt;
use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::access::{Subject, Verb};
use crate::app::{App, blocking};
use crate::auth::Asker;
use crate::events;
use crate::problem::{Code, Problem, ProblemBody};
use crate::query::PathText;

/// An event's entry, and what its commitment is made of.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct OpeningAnswer {
    /// Place of the entry in the log.
    position: u64,
    /// The entry, lower-case hex.
    entry: String,
    /// All units of the event, in their order. None of a statement of the log's own, whose entry has it in clear.
    units: Vec<OpenedUnit>,
}

/// A unit: name, value and salt; or where it was erased, its digest.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(crate) enum OpenedUnit {
    /// It is there.
    Kept {
        /// A JSON Pointer.
        name: String,
        /// Value bytes: the JSON text that was hashed.
        value: String,
        /// 16 bytes, lower-case hex.
        salt: String,
    },
    /// It was erased.
    Erased {
        /// `erased`.
        state: &'static str,
        /// Lower-case hex.
        digest: String,
        /// Position of the entry that erased it.
        by: u64,
        /// What reads in its place; it is in no digest.
        #[serde(skip_serializing_if = "Option::is_none")]
        stands_in: Option<StandIn>,
    },
}

/// A pseudonym.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct StandIn {
    /// A JSON Pointer.
    name: String,
    /// JSON text.
    value: String,
}

/// Opens an event's commitment.
///
/// The entry, and names, values and salts of all units: with `/v1/events/{id}/proof` they show to whoever computes it himself that
/// the event is what the log holds. Whoever has the salts of an event can show it to others, and check guesses at what is withheld
/// from them. It stands in the access log as a read and as a check.
#[utoipa::path(
    get, path = "/v1/events/{id}/opening", tag = "prove",
    params(
        ("id" = String, Path, description = "The event's id"),
        ("tenant" = Option<String>, Query, description = "With a platform key: the tenant"),
    ),
    responses(
        (status = 200, description = "The entry and the units", body = OpeningAnswer),
        (status = 400, description = "A parameter is not allowed or missing", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `read` or `verify`, or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is no such event", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "What must be read is damaged", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["read", "verify"])),
)]
pub(crate) async fn opening(
    State(app): State<Arc<App>>,
    asker: Asker,
    PathText(id): PathText,
) -> Result<Json<OpeningAnswer>, Problem> {
    let params = asker.params(&["tenant"])?;
    let (log, record) = events::find(&app, &asker, &params, Verb::Read, &id).await?;
    let filter = [("id".to_owned(), id.into())].into_iter().collect();
    app.enter(&asker, Verb::Verify, &Subject::Log(log.clone()), filter).await?;
    let ledger = app.ledger.clone();
    let opened = blocking(move || {
        let mut opened = Opened::default();
        ledger.disclose_to(&log, record.position, 1, &mut opened)?;
        Ok::<_, annals_ledger::ProveError>(opened)
    });
    let answer = opened.await?.answer();
    // It may have expired since it was found.
    let answer =
        answer.ok_or_else(|| Problem::new(Code::EventUnknown, "the tenant has no event with this id"))?;
    Ok(Json(answer))
}

/// One record that is opened.
#[derive(Default)]
struct Opened {
    units: Vec<(String, Vec<u8>)>,
    disclosed: Option<Disclosed>,
}

impl Discloses for Opened {
    fn unit(&mut self, name: &str, value: &[u8]) {
        self.units.push((name.to_owned(), value.to_vec()));
    }

    fn record(&mut self, disclosed: Disclosed) -> bool {
        self.disclosed = Some(disclosed);
        false
    }
}

impl Opened {
    /// None of what expired.
    fn answer(self) -> Option<OpeningAnswer> {
        let Disclosed { record, entry, shown, .. } = self.disclosed?;
        let units = match shown {
            Shown::Expired(_) => return None,
            Shown::Erased(event) => event.units().iter().map(opened).collect(),
            Shown::Whole(_) if record.stated.is_some() => Vec::new(),
            Shown::Whole(secret) => {
                let units = (0..).zip(self.units).map(|(index, (name, value))| OpenedUnit::Kept {
                    name,
                    value: String::from_utf8_lossy(&value).into_owned(),
                    salt: hex(&salt(&secret, index)),
                });
                units.collect()
            }
        };
        Some(OpeningAnswer { position: record.position.0, entry: hex(&entry), units })
    }
}

fn opened(unit: &ErasedUnit) -> OpenedUnit {
    match unit {
        ErasedUnit::Kept { salt, name, value } => {
            OpenedUnit::Kept { name: name.clone(), value: value.clone(), salt: hex(salt) }
        }
        ErasedUnit::Gone { digest, by, stand_in } => OpenedUnit::Erased {
            state: "erased",
            digest: digest.to_string(),
            by: *by,
            stands_in: stand_in.clone().map(|(name, value)| StandIn { name, value }),
        },
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
