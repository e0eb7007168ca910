//! Ordinary days: who does what next. Everything is made up at the moment it is asked for.

use super::calendar::HOUR_US;
use super::details::metadata;
use super::event::{Actor, Changes, Context, Event, Outcome, Request, Target, event_id};
use super::json::Json;
use super::people::{Person, staff};
use super::rng::Rng;
use super::tenants::{Change, Deed, Detail, On, Robot, Tenant};
use super::things::{Thing, Things};

/// Nobody is taken for still being at work after so long without a word.
const SESSION_IDLE_US: i64 = 3 * HOUR_US;
/// How many people are at work at once, at most.
const SESSIONS_MAX: usize = 400;
/// How many in a thousand of people's events are somebody signing in; a session lasts nine or ten events.
const SIGN_IN_PER_MILLE: u32 = 90;

/// One tenant while the year goes by.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) tenant: &'static Tenant,
    pub(super) people: Vec<Person>,
    rng: Rng,
    sessions: Vec<Session>,
    things: Things,
    /// Reused from event to event, as are the next two.
    buffer: Vec<u8>,
    description: String,
    path: String,
}

#[derive(Debug)]
struct Session {
    person: usize,
    desk: usize,
    id: u64,
    /// Deeds still to come.
    left: u32,
    last_at_us: i64,
}

/// What an ordinary event is: the JSON object, still open, and the service that reports it.
pub(super) struct Told {
    pub(super) json: Json,
    /// Index of the service and its instance.
    pub(super) source: Option<(usize, u32)>,
}

/// Who acts.
#[derive(Clone, Copy)]
enum Doer {
    /// Indices of the person and of the desk, and the session's id.
    Human {
        person: usize,
        desk: usize,
        session: u64,
    },
    Robot(&'static Robot),
}

const LOGIN: Deed = Deed {
    action: "login",
    operation: "authentication",
    category: "authentication",
    severity: "",
    did: "signed in",
    attempt: "sign in",
    weight: 1,
    on: On::Nothing,
    also: None,
    http: Some(("POST", "/auth/login", 200)),
    change: Change::None,
    detail: Detail::Login,
    via: None,
};
const LOGOUT: Deed = Deed {
    action: "logout",
    did: "signed out",
    attempt: "sign out",
    http: Some(("POST", "/auth/logout", 204)),
    detail: Detail::None,
    ..LOGIN
};
const MISTYPED: Deed = Deed { action: "login.failed", ..LOGIN };

impl Life {
    pub(super) fn new(tenant: &'static Tenant, begin_us: i64, until_us: i64) -> Life {
        Life {
            tenant,
            people: staff(tenant, begin_us),
            rng: Rng::new(tenant.seed ^ 0x6c69_6665),
            sessions: Vec::new(),
            things: Things::new(tenant, begin_us, until_us),
            buffer: Vec::new(),
            description: String::new(),
            path: String::new(),
        }
    }

    /// Gives back what a told event was written into, for the next one.
    pub(super) fn recycle(&mut self, buffer: Vec<u8>) {
        self.buffer = buffer;
    }

    /// Something a program does.
    pub(super) fn robot_event(&mut self, at_us: i64) -> Told {
        let robots = self.tenant.robots;
        let total = robots.iter().map(|robot| robot.weight).sum();
        let robot = &robots[self.rng.weighted(total, robots.iter().map(|robot| robot.weight))];
        let deed = pick_deed(&mut self.rng, robot.deeds);
        self.tell(at_us, deed, Doer::Robot(robot))
    }

    /// Something a person does: the next step of somebody's session, or somebody signing in.
    pub(super) fn human_event(&mut self, at_us: i64) -> Told {
        let someone_new = self.sessions.len() < SESSIONS_MAX && self.rng.chance(SIGN_IN_PER_MILLE);
        while !someone_new && !self.sessions.is_empty() {
            let at = self.pick_session();
            let session = &mut self.sessions[at];
            let idle = at_us - session.last_at_us > SESSION_IDLE_US;
            if idle || !self.people[session.person].employed(at_us) {
                self.sessions.swap_remove(at);
                continue;
            }
            session.last_at_us = at_us;
            session.left -= 1;
            let doer = Doer::Human { person: session.person, desk: session.desk, session: session.id };
            let role = &self.tenant.roles[self.people[session.person].role];
            if session.left == 0 {
                self.sessions.swap_remove(at);
                if self.rng.chance(450) {
                    return self.tell(at_us, &LOGOUT, doer);
                }
            }
            let deed = pick_deed(&mut self.rng, role.deeds);
            return self.tell(at_us, deed, doer);
        }
        self.sign_in(at_us)
    }

    /// Of two sessions the one heard of last: people work in bursts. There is at least one.
    fn pick_session(&mut self) -> usize {
        let (one, other) = (self.rng.index(self.sessions.len()), self.rng.index(self.sessions.len()));
        if self.sessions[other].last_at_us > self.sessions[one].last_at_us { other } else { one }
    }

    fn sign_in(&mut self, at_us: i64) -> Told {
        let person = loop {
            let person = self.rng.index(self.people.len());
            if self.people[person].employed(at_us) {
                break person;
            }
        };
        let session = Session {
            person,
            desk: self.rng.index(2),
            id: self.rng.bits(),
            left: 3 + self.rng.below(12),
            last_at_us: at_us,
        };
        let doer = Doer::Human { person, desk: session.desk, session: session.id };
        if self.rng.chance(55) {
            return self.tell(at_us, &MISTYPED, doer);
        }
        self.sessions.push(session);
        self.tell(at_us, &LOGIN, doer)
    }

    fn tell(&mut self, at_us: i64, deed: &Deed, doer: Doer) -> Told {
        let outcome = self.outcome(deed, doer);
        let succeeded = matches!(outcome, Outcome::Success);
        let thing = self.target(at_us, deed, doer, succeeded);
        let also = deed.also.map(|kind| self.things.one_of(&mut self.rng, at_us, kind, owner(doer)));
        self.describe(deed, doer, outcome, thing.as_ref(), also.as_ref());
        let metadata = metadata(&mut self.rng, at_us, deed.detail);
        let request =
            deed.http.map(|(method, _, status_code)| (self.rng.bits(), method, status(outcome, status_code)));
        let traced = request.is_some() && self.rng.chance(160);
        let trace = traced.then(|| [self.rng.bits(), self.rng.bits(), self.rng.bits()]);
        let source =
            deed.via.map(|service| (service, self.rng.below(self.tenant.services[service].instances)));
        let id = event_id(self.tenant.ids, at_us, [self.rng.bits(), self.rng.bits()]);

        let buffer = std::mem::take(&mut self.buffer);
        let mut targets = [Target::default(); 2];
        let mut targets_count = 0;
        for thing in [thing.as_ref(), also.as_ref()].into_iter().flatten() {
            targets[targets_count] = Target { kind: thing.kind, id: &thing.id, name: &thing.name };
            targets_count += 1;
        }
        let project = match &thing {
            Some(thing) => self.tenant.projects[thing.number % self.tenant.projects.len()],
            None => "",
        };
        let (actor, context, team) = self.introduce(doer);
        let (before, after) = changed_members(deed, thing.as_ref());
        let changes = if succeeded && !matches!(deed.change, Change::None) {
            Changes { before: &before, after: &after, complete: matches!(deed.change, Change::Setting) }
        } else {
            Changes::default()
        };
        let event = Event {
            action: deed.action,
            operation: deed.operation,
            category: deed.category,
            severity: severity(deed, outcome),
            description: &self.description,
            actor,
            targets: &targets[..targets_count],
            context,
            request: request.map(|(id, method, status_code)| Request {
                id,
                method,
                path: &self.path,
                status_code,
            }),
            trace,
            outcome,
            changes,
            scope: (team, project),
            metadata: &metadata,
            ..Event::default()
        };
        Told { json: event.write(at_us, &id, buffer), source }
    }

    /// Mostly things go well.
    fn outcome(&mut self, deed: &Deed, doer: Doer) -> Outcome<'static> {
        if deed.action == MISTYPED.action {
            return Outcome::Failure("wrong password");
        }
        if deed.category == LOGIN.category {
            return Outcome::Success;
        }
        match (self.rng.below(1000), doer) {
            (0..14, Doer::Human { .. }) => Outcome::Denied(self.rng.pick(&DENIALS)),
            (14..26, _) => Outcome::Failure(self.rng.pick(&FAILURES)),
            _ => Outcome::Success,
        }
    }

    fn target(&mut self, at_us: i64, deed: &Deed, doer: Doer, succeeded: bool) -> Option<Thing> {
        let thing = match deed.on {
            On::Nothing => return None,
            On::Setting => self.things.setting(&mut self.rng, succeeded),
            On::Kind(kind) => {
                let mut thing = self.things.one_of(&mut self.rng, at_us, kind, owner(doer));
                if succeeded {
                    self.things.change(kind, &mut thing, deed.change);
                }
                thing
            }
            On::Colleague => {
                // Any colleague of that day, oneself included.
                let number = loop {
                    let number = self.rng.index(self.people.len());
                    if self.people[number].employed(at_us) {
                        break number;
                    }
                };
                let person = &self.people[number];
                let mut thing = Thing::new("user", person.id.clone(), person.name.clone(), number);
                if let Change::Cycle(_, [first, second, ..]) = deed.change {
                    (thing.before, thing.after) = ((*first).to_owned(), (*second).to_owned());
                }
                thing
            }
        };
        Some(thing)
    }

    /// Fills in the deed's words and its path.
    fn describe(
        &mut self,
        deed: &Deed,
        doer: Doer,
        outcome: Outcome,
        thing: Option<&Thing>,
        also: Option<&Thing>,
    ) {
        let (between, words) = match outcome {
            Outcome::Success => (" ", deed.did),
            Outcome::Failure(_) => (" failed to ", deed.attempt),
            Outcome::Denied(_) => (" was not allowed to ", deed.attempt),
        };
        let who = match doer {
            Doer::Human { person, .. } => &self.people[person].name,
            Doer::Robot(robot) => robot.name,
        };
        let word = |placeholder: &str| match (placeholder, thing, also) {
            ("target", Some(thing), _) => thing.name.as_str(),
            ("before", Some(thing), _) => thing.before.as_str(),
            ("after", Some(thing), _) => thing.after.as_str(),
            ("id", Some(thing), _) => thing.id.as_str(),
            ("also", _, Some(also)) => also.name.as_str(),
            _ => "",
        };
        self.description.clear();
        self.description.push_str(who);
        self.description.push_str(between);
        fill_in(&mut self.description, words, word);
        self.path.clear();
        if let Some((_, path, _)) = deed.http {
            fill_in(&mut self.path, path, word);
        }
    }

    /// Actor, context and team.
    fn introduce(&self, doer: Doer) -> (Actor<'_>, Context<'_>, &'static str) {
        match doer {
            Doer::Human { person, desk, session } => {
                let person = &self.people[person];
                (
                    Actor::user(person),
                    Context { session: Some(session), ..Context::at(&person.desks[desk]) },
                    person.team,
                )
            }
            Doer::Robot(robot) => {
                let credential = if robot.kind == "api_key" { ("api_key", robot.id) } else { ("", "") };
                let actor = Actor { kind: robot.kind, id: robot.id, name: robot.name, email: "", credential };
                (actor, Context { ip: robot.ip, user_agent: robot.user_agent, ..Context::default() }, "")
            }
        }
    }
}

const DENIALS: [&str; 3] = ["missing permission", "outside of your team", "needs a second factor"];
const FAILURES: [&str; 4] =
    ["changed by someone else meanwhile", "timed out", "not valid", "service unavailable"];

/// Things people act upon are mostly their own.
fn owner(doer: Doer) -> Option<usize> {
    match doer {
        Doer::Human { person, .. } => Some(person),
        Doer::Robot(_) => None,
    }
}

fn pick_deed(rng: &mut Rng, deeds: &'static [Deed]) -> &'static Deed {
    let total = deeds.iter().map(|deed| deed.weight).sum();
    &deeds[rng.weighted(total, deeds.iter().map(|deed| deed.weight))]
}

fn severity(deed: &Deed, outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Success => deed.severity,
        Outcome::Failure(_) => "error",
        Outcome::Denied(_) => "warning",
    }
}

fn status(outcome: Outcome, success: u64) -> u64 {
    match outcome {
        Outcome::Success => success,
        Outcome::Failure("wrong password") => 401,
        Outcome::Failure("not valid") => 422,
        Outcome::Failure("changed by someone else meanwhile") => 409,
        Outcome::Failure("timed out") => 504,
        Outcome::Failure(_) => 503,
        Outcome::Denied(_) => 403,
    }
}

type Members<'a> = [(&'static str, &'a str); 1];

fn changed_members<'a>(deed: &Deed, thing: Option<&'a Thing>) -> (Members<'a>, Members<'a>) {
    let key = match deed.change {
        Change::None => "",
        Change::Rename => "name",
        Change::Cycle(key, _) => key,
        Change::Setting => "value",
    };
    let (before, after) = thing.map_or(("", ""), |thing| (thing.before.as_str(), thing.after.as_str()));
    ([(key, before)], [(key, after)])
}

/// Appends `template` with every `{placeholder}` replaced by `word`'s answer. Braces are always in pairs.
fn fill_in<'a>(out: &mut String, template: &str, word: impl Fn(&str) -> &'a str) {
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let (placeholder, after) = after.split_once('}').expect("the tables' placeholders are closed");
        out.push_str(word(placeholder));
        rest = after;
    }
    out.push_str(rest);
}
