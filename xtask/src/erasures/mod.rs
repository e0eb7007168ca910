//! The real binary erases people and lets records expire, killed again and again while it does.
//!
//! Each round writes events that speak of somebody in every place where one can, into segments, tail and journal; has the logs
//! published; then asks for cases of erasure that are approved, held, held in part, withdrawn or not approved often enough, and lets
//! rules run out under a clock that is set ahead, but not one that is set too far ahead. The server is killed at random moments of it. Then:
//!
//! * what is gone is in no file, as it is or decoded by a program of its own, and no secret of it can be had (`teeth`);
//!   before, the same program found it; what is to stay is there;
//! * no file that was published has changed, and programs by others accept the logs (`proofs`);
//! * every verifier gives every position its verdict, and believes no erasure that was not approved;
//! * an event that is sent again brings nothing back;
//! * a case that is called done is done, at whatever moment the server was killed.
//!
//! The choices follow from the seed; the moments of the kills do not, as they depend on the machine.

mod clock;
mod proofs;
mod subjects;
mod teeth;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fault::{Result, While, fail, require};
use crate::foreign::{self, Verifier};
use crate::http::Client;
use crate::instance::{Binary, Instance, Starting};
use crate::rng::Rng;
use crate::stages::Tally;

use clock::Clock;
use proofs::Published;
use subjects::{EXPIRING, Fate, People, TENANTS};
use teeth::Teeth;

/// Events of a round.
const EVENTS: usize = 560;

/// So many records make a segment, and a rest stays in the tail.
const SEALING: (&str, &str) = ("ANNALS_SEGMENTS__SEAL_RECORDS", "150");

/// How often the server is killed while cases are carried out, and while records expire.
const KILLS: u64 = 3;

/// At most so long after a start or an approval it is killed, ms.
const KILL_MS_MAX: u64 = 2_500;

/// Records of a feed's page.
const PAGE_RECORDS: u64 = 1_000;

/// How long cases and expiries may take once nobody kills the server.
const DONE_SECONDS_MAX: u64 = 120;

/// Hours ahead at which all that expires is due, and at which files that hold it are rewritten.
const DUE_HOURS: u64 = 3;
const REWRITTEN_HOURS: u64 = 30;

/// Hours ahead at which no clock is believed.
const FAR_HOURS: u64 = 9_000;

/// Does so many rounds.
pub(crate) fn run(binary: &Binary, rounds: u64, seed: u64) -> Result<Tally> {
    let folder = tempfile::tempdir().while_doing("temporary folder")?;
    let verifiers = [Verifier::go()?, Verifier::python()?];
    let clock = Clock::build(folder.path())?;
    let mut tally = Tally::default();
    for round in 0..rounds {
        let begun = Instant::now();
        let place = folder.path().join(round.to_string());
        std::fs::create_dir(&place).while_doing(place.display())?;
        let mut run = Round::begin(binary, &verifiers, clock.as_ref(), &place, seed + round)?;
        tally.passed += run.run()?;
        println!("round {round}, seed {}: {:.1} s", seed + round, begun.elapsed().as_secs_f64());
        drop(run);
        std::fs::remove_dir_all(&place).while_doing(place.display())?;
    }
    if clock.is_none() {
        tally.skipped.push("records that expire: no clock can be set here".to_owned());
    }
    Ok(tally)
}

/// One round.
struct Round<'a> {
    binary: &'a Binary,
    verifiers: &'a [Verifier],
    clock: Option<&'a Clock>,
    folder: PathBuf,
    data: PathBuf,
    rng: Rng,
    people: People,
    teeth: Teeth,
    server: Option<Instance>,
    /// The operator's key, and another one that approves.
    keys: [String; 2],
    hours_ahead: u64,
}

impl<'a> Round<'a> {
    fn begin(
        binary: &'a Binary,
        verifiers: &'a [Verifier],
        clock: Option<&'a Clock>,
        folder: &Path,
        seed: u64,
    ) -> Result<Self> {
        let mut rng = Rng::new(seed);
        let people = People::new(&mut rng, EVENTS);
        let mut round = Self {
            binary,
            verifiers,
            clock,
            folder: folder.to_owned(),
            data: folder.join("data"),
            rng,
            people,
            teeth: Teeth::new(verifiers[1].program(), folder),
            server: None,
            keys: Default::default(),
            hours_ahead: 0,
        };
        round.start()?;
        round.keys[0] = round.server().key.clone();
        let made = round.ask("POST", "/v1/keys", &json!({"scopes": ["admin"], "name": "second"}))?;
        round.keys[1] = made["secret"].as_str().or(made["key"].as_str()).unwrap_or_default().to_owned();
        require!(!round.keys[1].is_empty(), "a key without a secret: {made}");
        Ok(round)
    }

    fn run(&mut self) -> Result<u64> {
        self.fill()?;
        self.teeth.find_all(&self.data, &self.people)?;
        let published = Published::begin(self.binary, self.server(), &self.folder.join("published"))?;
        let cases = self.order()?;
        let mut checks = self.carry_out(&cases)?;
        self.teeth.find_none(&self.data, &self.people, false)?;
        if self.clock.is_some() {
            checks += self.expire()?;
        }
        self.people.send_again(&mut self.client())?;
        self.unread(&self.people.gone(self.clock.is_some()))?;
        self.teeth.find_none(&self.data, &self.people, self.clock.is_some())?;
        checks += published.end(self.binary, self.server(), self.verifiers, &self.people)?;
        if self.clock.is_some() {
            checks += proofs::judge(self.binary, self.server(), &self.folder, &self.people)?;
            checks += proofs::forge(self.binary, self.verifiers[1].program(), &self.folder)?;
        }
        self.server.take().ok_or("no server")?.stop()?;
        checks += proofs::verify(self.binary, &self.data, &self.folder.join("published"))?;
        Ok(checks)
    }

    /// Tenants, rules, events, and reads that name people.
    fn fill(&mut self) -> Result<()> {
        for tenant in TENANTS {
            self.ask(
                "POST",
                "/v1/events",
                &json!({"tenant": tenant, "action": "first", "actor": {"id": "u0"}}),
            )?;
            let rules = json!({"rules": [{"name": "notes", "keep": format!("{}h", 1), "action": EXPIRING}]});
            self.ask("PUT", &format!("/v1/retention?tenant={tenant}"), &rules)?;
        }
        let mut client = self.client();
        self.people.send(&mut client)?;
        // A read that names somebody is on record, where no hold below finds it.
        for subject in self.people.subjects.iter().filter(|subject| subject.fate != Fate::Held) {
            let path = format!("/v1/events?tenant={}&actor_id={}", subject.tenant, subject.mark);
            foreign::get(&mut client, &path)?;
        }
        self.until(|status| {
            status["segments"].as_u64().unwrap_or(1) > 0 && status["tail_records"].as_u64() < Some(300)
        })
    }

    /// Asks for cases, in any order; those that are to be carried out.
    fn order(&mut self) -> Result<Vec<(usize, String)>> {
        let mut order: Vec<usize> = (0..self.people.subjects.len()).collect();
        for i in (1..order.len()).rev() {
            order.swap(i, usize::try_from(self.rng.below(i as u64 + 1)).while_doing("an index")?);
        }
        for &index in &order {
            let subject = &self.people.subjects[index];
            if let Some(filter) = subject.held_by() {
                let hold =
                    json!({"tenant": subject.tenant, "filter": filter, "reason": "a case", "owner": "legal"});
                self.ask("POST", "/v1/holds", &hold)?;
            }
        }
        let mut cases = Vec::new();
        for index in order {
            let subject = &self.people.subjects[index];
            if subject.fate == Fate::Untouched {
                continue;
            }
            let path = format!("/v1/erasures?tenant={}", subject.tenant);
            let body =
                json!({"values": subject.values(), "text": "erase", "reason": format!("request {index}")});
            let (status, case) = self.try_ask(0, "POST", &path, &body)?;
            if subject.fate == Fate::Held {
                let is_refused = status == 400 && case.to_string().contains("held");
                require!(is_refused, "a case about held records is answered with {status}: {case}");
                continue;
            }
            require!(status == 201, "a case is answered with {status}: {case}");
            let name = case["case"].as_str().unwrap_or_default().to_owned();
            let path = format!("/v1/erasures/{name}/{{}}?tenant={}", subject.tenant);
            let (again, said) = self.try_ask(0, "POST", &path.replace("{}", "approve"), &Value::Null)?;
            require!(again == 409, "the same key approves twice: {again}: {said}");
            match subject.fate {
                Fate::Withdrawn => drop(self.ask("POST", &path.replace("{}", "withdraw"), &Value::Null)?),
                Fate::Unapproved => {}
                _ => cases.push((index, name)),
            }
        }
        // Now all at once.
        for (index, name) in &cases {
            let path = format!("/v1/erasures/{name}/approve?tenant={}", self.people.subjects[*index].tenant);
            let (status, said) = self.try_ask(1, "POST", &path, &Value::Null)?;
            require!(status == 200, "an approval is answered with {status}: {said}");
        }
        Ok(cases)
    }

    /// Waits for cases to be done, and kills the server meanwhile; how many checks.
    fn carry_out(&mut self, cases: &[(usize, String)]) -> Result<u64> {
        let mut checks = 0;
        for _ in 0..KILLS {
            self.kill_soon()?;
            checks += self.check_stages(cases)?;
        }
        let deadline = Instant::now() + Duration::from_secs(DONE_SECONDS_MAX);
        loop {
            let done = self.check_stages(cases)?;
            if done == cases.len() as u64 {
                return Ok(checks + done);
            }
            require!(
                Instant::now() < deadline,
                "{done} of {} cases are done within {DONE_SECONDS_MAX} s",
                cases.len()
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Who is ordered to go is in no answer, and once a case is called done in no file; how many are done.
    fn check_stages(&mut self, cases: &[(usize, String)]) -> Result<u64> {
        let mut client = self.client();
        let mut done = 0;
        for (index, name) in cases {
            let subject = &self.people.subjects[*index];
            let path = format!("/v1/erasures/{name}?tenant={}", subject.tenant);
            let case: Value =
                serde_json::from_slice(&foreign::get(&mut client, &path)?).while_doing(&path)?;
            let stage = case["stage"].as_str().unwrap_or_default();
            if !["ordered", "done"].contains(&stage) || subject.fate != Fate::Erased {
                done += u64::from(stage == "done");
                continue;
            }
            self.unread(&[&subject.mark])?;
            if stage == "done" {
                done += 1;
                not_in_files(&self.data, &subject.mark)?;
            }
        }
        Ok(done)
    }

    /// Rules run out, and then files that hold what expired grow old; how many checks.
    fn expire(&mut self) -> Result<u64> {
        self.doubt()?;
        self.set_ahead(DUE_HOURS)?;
        for _ in 0..KILLS - 1 {
            self.kill_soon()?;
        }
        let gone: Vec<String> = self.people.gone(true).into_iter().map(str::to_owned).collect();
        let deadline = Instant::now() + Duration::from_secs(DONE_SECONDS_MAX);
        // Whoever asked for one by its id would put the id on record.
        while let Err(left) = self.unread(&gone) {
            require!(Instant::now() < deadline, "after {DONE_SECONDS_MAX} s: {left}");
            std::thread::sleep(Duration::from_millis(100));
        }
        self.set_ahead(REWRITTEN_HOURS)?;
        for _ in 0..KILLS - 1 {
            self.kill_soon()?;
        }
        let deadline = Instant::now() + Duration::from_secs(DONE_SECONDS_MAX);
        while let Err(left) = gone.iter().try_for_each(|mark| not_in_files(&self.data, mark)) {
            require!(Instant::now() < deadline, "after {DONE_SECONDS_MAX} s: {left}");
            std::thread::sleep(Duration::from_millis(200));
        }
        // What is compressed is found by decoding alone.
        while let Err(left) = self.teeth.find_none(&self.data, &self.people, true) {
            require!(Instant::now() < deadline, "after {DONE_SECONDS_MAX} s: {left}");
            std::thread::sleep(Duration::from_secs(1));
        }
        Ok(gone.len() as u64)
    }

    /// Under a clock that is far ahead at the start nothing goes.
    fn doubt(&mut self) -> Result<()> {
        self.set_ahead(FAR_HOURS)?;
        let deadline = Instant::now() + Duration::from_secs(DONE_SECONDS_MAX);
        let mut client = self.client();
        loop {
            let metrics = String::from_utf8_lossy(&foreign::get(&mut client, "/metrics")?).into_owned();
            let says = |line: &str| metrics.lines().any(|other| other == line);
            require!(
                says("annals_retention_expired_records_total 0"),
                "records expire under a clock far ahead"
            );
            if says("annals_retention_waits 1") {
                break;
            }
            require!(Instant::now() < deadline, "nothing says that the clock is doubted: {metrics}");
            std::thread::sleep(Duration::from_millis(100));
        }
        let first = [self.people.gone(true).last().ok_or("nothing expires")?.to_string()];
        require!(self.unread(&first).is_err(), "{first:?} is gone before its time");
        Ok(())
    }

    /// None of these is in an answer.
    fn unread(&self, gone: &[impl AsRef<str>]) -> Result<()> {
        let mut client = self.client();
        for tenant in TENANTS {
            // Positions of what expired are left out.
            let (mut from, mut size) = (0, 1);
            while from < size {
                let path = format!("/v1/feed?tenant={tenant}&from={from}&limit={PAGE_RECORDS}");
                let text = String::from_utf8_lossy(&foreign::get(&mut client, &path)?).to_lowercase();
                let read = gone.iter().map(AsRef::as_ref).find(|mark| text.contains(*mark));
                require!(read.is_none(), "{read:?} is gone, and is read from {from} on");
                let page: Value = serde_json::from_str(&text).while_doing(&path)?;
                (from, size) =
                    (page["next"].as_u64().unwrap_or(from + 1), page["size"].as_u64().unwrap_or(0));
            }
        }
        Ok(())
    }

    fn set_ahead(&mut self, hours: u64) -> Result<()> {
        self.server.take().ok_or("no server")?.stop()?;
        self.hours_ahead = hours;
        self.start()
    }

    fn kill_soon(&mut self) -> Result<()> {
        std::thread::sleep(Duration::from_millis(self.rng.below(KILL_MS_MAX)));
        self.server.take().ok_or("no server")?.kill()?;
        self.start()
    }

    fn start(&mut self) -> Result<()> {
        let mut settings = vec![(SEALING.0, SEALING.1.to_owned())];
        if let Some(clock) = self.clock.filter(|_| self.hours_ahead > 0) {
            settings.extend(clock.ahead(self.hours_ahead));
        }
        let settings: Vec<(&str, &str)> =
            settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut server = Starting::spawn_with(self.binary, &self.data, &settings)?.ready()?;
        if !self.keys[0].is_empty() {
            server.key.clone_from(&self.keys[0]);
        }
        self.server = Some(server);
        Ok(())
    }

    fn server(&self) -> &Instance {
        self.server.as_ref().expect("a server runs but while it is started anew")
    }

    fn client(&self) -> Client {
        self.server().client()
    }

    /// Asks with one of the keys.
    fn try_ask(&self, key: usize, method: &str, path: &str, body: &Value) -> Result<(u16, Value)> {
        let server = self.server();
        let key = if self.keys[key].is_empty() { &server.key } else { &self.keys[key] };
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let headers = [("content-type", "application/json")];
        let answer = Client::new(server.address(), key)
            .request(method, path, &headers, text.as_bytes())
            .while_doing(path)?;
        Ok((answer.status, serde_json::from_slice(&answer.body).unwrap_or_default()))
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let (status, said) = self.try_ask(0, method, path, body)?;
        require!((200..300).contains(&status), "{method} {path}: {status}: {said}");
        Ok(said)
    }

    fn until(&self, is_so: impl Fn(&Value) -> bool) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(DONE_SECONDS_MAX);
        loop {
            let status = self.ask("GET", "/v1/status", &Value::Null)?;
            if is_so(&status) {
                return Ok(());
            }
            if Instant::now() > deadline {
                fail!("the server does not come to rest: {status}");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// No file of a data folder has the word, as it is.
fn not_in_files(folder: &Path, word: &str) -> Result<()> {
    for entry in std::fs::read_dir(folder).while_doing(folder.display())? {
        let path = entry.while_doing(folder.display())?.path();
        if path.is_dir() {
            not_in_files(&path, word)?;
            continue;
        }
        // One that went meanwhile has it no more.
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let is_in = bytes.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()));
        require!(!is_in, "{word} is gone, and stands in {}", path.display());
    }
    Ok(())
}
