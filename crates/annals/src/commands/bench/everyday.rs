//! Events of a service with many customers, as they come.
//!
//! * **Tenants**: 1,000 of weight 1 / (rank − 0.15): the largest has 15 % of the events, the 50th 0.26 %, the last 0.013 %. Each has habits:
//!   the form of its ids (of events: 70 % UUIDv7, 15 % UUIDv4, 10 % ULID, 5 % other), the order of its members (60 %, 20 %, 20 %),
//!   microseconds (12 %), an offset (5 %), traces (8 %), a `source` (15 %), an `operation` (30 %), no `category` (15 %), an `outcome` only when it
//!   failed (40 %).
//! * **Times**: a year, in order but for up to 2 s (mean 0.5 s), of 8 in 1,000 up to a minute; after the hours and days of offices.
//! * **Actors**: 87 % of events are by a tenant's people, one for 120 events, a few of them busy (cube of an even number); 10 % by services, 1.8 % by
//!   guests who come about once, 1.2 % by 400 partners who work for all tenants under one address. One in thirty changes names.
//! * **Actions**: 42 of weight 1 / (rank − 0.15), in 12 categories. Status 403 in 2 %, other failures in 3 %.
//! * **Targets**: one (75 %), two (20 %) or three (5 %), new ones as time passes, one for five events, the recent ones more often. One in eight is
//!   renamed every two months. Names repeat.
//! * **Context**: a tenant's offices and an actor's own addresses, of ranges that nobody has; 8 % IPv6, 0.4 % no address at all; 14 kinds of agents
//!   whose versions rise; a session for an actor and part of a day.
//! * **Description** (92 %): six ways to say it, most with the names of actor and target, one in seven with a remark. **Changes** in
//!   updates. **Metadata**: region and plan always, version, sizes, durations, tickets, tags, an object, a null; in 3 % one of 40 rare keys.

use super::calendar::{Calendar, DAY_US, Moment};
use super::dice::{Dice, Ranks, choice, derive};
use super::line::{Line, base32, decimal, hex, uuid};
use super::words::{
    ACTIONS, AGENTS, Action, LOCATIONS, NOUNS, PLANS, RARE_KEYS, REASONS, REGIONS, REMARKS, TAGS,
};
use super::world::{Actor, ActorKind, IdForm, Target, Tenant, Tenants};

/// Makes one event after the other.
#[derive(Debug)]
pub(super) struct Everyday {
    seed: u64,
    tenants: Tenants,
    calendar: Calendar,
    actions: Ranks,
    rare_keys: Ranks,
    /// Times lie back by up to so much.
    late_us: u64,
    scratch: Scratch,
}

/// Texts in the making, used again.
#[derive(Debug, Default)]
struct Scratch {
    actor: String,
    target: String,
    text: String,
}

/// What an event is about.
struct Facts<'a> {
    tenant: &'a Tenant,
    at: Moment,
    action: Action,
    actor: Actor,
    targets: [Target; 3],
    target_count: usize,
    status: u64,
}

impl Everyday {
    pub(super) fn new(seed: u64, tenants: Tenants) -> Self {
        Self {
            seed,
            tenants,
            calendar: Calendar::new(seed),
            actions: Ranks::new(u32::try_from(ACTIONS.len()).expect("a short table")),
            rare_keys: Ranks::new(u32::try_from(RARE_KEYS.len()).expect("a short table")),
            late_us: 0,
            scratch: Scratch::default(),
        }
    }

    /// Times lie back by an even part of `micros`.
    pub(super) fn late(mut self, micros: u64) -> Self {
        self.late_us = micros;
        self
    }

    /// Writes the event of one number of `count`.
    pub(super) fn write(&mut self, number: u64, count: u64, dice: &mut Dice, line: &mut Line) {
        let mut at = self.calendar.moment(number, count, dice);
        if self.late_us > 0 {
            at = at.minus_us(super::dice::part(self.late_us, dice.bits()));
        }
        let tenant = self.tenants.draw(dice);
        tenant.count();
        let tenant: &Tenant = tenant;
        let action = ACTIONS[self.actions.draw(dice)];
        let target_count = match dice.below(20) {
            0..15 => 1,
            15..19 => 2,
            _ => 3,
        };
        let facts = Facts {
            tenant,
            at,
            action,
            actor: tenant.actor(self.seed, dice),
            targets: std::array::from_fn(|_| tenant.target(action.target, dice)),
            target_count,
            status: status(action, dice),
        };
        let scratch = &mut self.scratch;
        scratch.actor.clear();
        facts.actor.name(at, &mut scratch.actor);
        scratch.target.clear();
        facts.targets[0].name(facts.targets[0].version(at), &mut scratch.target);
        let rare_keys = &self.rare_keys;
        line.open();
        match tenant.order {
            0 => {
                facts.head(&self.calendar, dice, line);
                facts.description(scratch, dice, line);
                facts.who(scratch, line);
                facts.what(scratch, dice, line);
                facts.whence(dice, line);
                facts.request(dice, line);
                facts.changes(scratch, dice, line);
                facts.metadata(rare_keys, dice, line);
            }
            1 => {
                facts.who(scratch, line);
                facts.head(&self.calendar, dice, line);
                facts.request(dice, line);
                facts.whence(dice, line);
                facts.what(scratch, dice, line);
                facts.metadata(rare_keys, dice, line);
                facts.changes(scratch, dice, line);
                facts.description(scratch, dice, line);
            }
            _ => {
                facts.metadata(rare_keys, dice, line);
                facts.what(scratch, dice, line);
                facts.description(scratch, dice, line);
                facts.changes(scratch, dice, line);
                facts.who(scratch, line);
                facts.request(dice, line);
                facts.whence(dice, line);
                facts.head(&self.calendar, dice, line);
            }
        }
        line.close();
        line.end();
    }
}

fn status(action: Action, dice: &mut Dice) -> u64 {
    if action.name == "user.login.fail" {
        return 401;
    }
    match dice.below(1_000) {
        0..20 => 403,
        20..32 => 404,
        32..37 => 409,
        37..43 => 422,
        43..46 => 500,
        46..48 => 503,
        48..50 => 429,
        _ => match action.operation {
            "create" => 201,
            "delete" => 204,
            _ => 200,
        },
    }
}

impl Facts<'_> {
    fn head(&self, calendar: &Calendar, dice: &mut Dice, line: &mut Line) {
        let Self { tenant, at, action, .. } = self;
        line.name("id").plain(|to| match tenant.id_form {
            IdForm::UuidV7 => uuid(7, at.unix_ms() << 16 | dice.bits() >> 52, dice.bits(), to),
            IdForm::UuidV4 => uuid(4, dice.bits(), dice.bits(), to),
            IdForm::Ulid => {
                base32(u128::from(at.unix_ms()), 10, to);
                base32(u128::from(dice.bits()) << 16 | u128::from(dice.bits() >> 48), 16, to);
            }
            IdForm::Prefixed => {
                to.extend_from_slice(b"evt_");
                hex(dice.bits(), 16, to);
                hex(dice.bits(), 8, to);
            }
        });
        line.name("tenant").text(&tenant.name);
        line.name("occurred_at").plain(|to| calendar.write(*at, tenant.micros, tenant.east, to));
        line.name("action").text(action.name);
        if tenant.names_operation {
            line.name("operation").text(action.operation);
        }
        if tenant.names_category {
            line.name("category").text(action.category);
        }
        if tenant.names_source {
            line.name("source").open();
            line.name("name").text(choice(derive(self.actor.seed, 60), &["web", "api", "worker", "gateway"]));
            line.name("version").plain(|to| {
                to.extend_from_slice(b"4.");
                decimal(at.of_year() / (7 * DAY_US), to);
            });
            line.close();
        }
        if tenant.traces {
            line.name("trace").open();
            line.name("trace_id").plain(|to| {
                hex(dice.bits(), 16, to);
                hex(dice.bits(), 16, to);
            });
            line.name("span_id").plain(|to| hex(dice.bits(), 16, to));
            line.close();
        }
    }

    fn description(&self, scratch: &mut Scratch, dice: &mut Dice, line: &mut Line) {
        let Scratch { actor, target, text } = scratch;
        let Action { verb, target: kind, .. } = self.action;
        text.clear();
        let quote = if self.tenant.order == 1 { ["\"", "\""] } else { ["“", "”"] };
        let [open, close] = quote;
        match dice.below(100) {
            0..8 => return,
            8..48 => push(text, &[actor, " ", verb, " the ", kind, " ", open, target, close]),
            48..66 => push(text, &[target, " was ", verb, " by ", actor]),
            66..78 => push(text, &[actor, ": ", verb, " ", kind, " ", target]),
            78..88 => push(text, &["The ", kind, " ", target, " has been ", verb]),
            88..95 => push(text, &[actor, " ", verb, " one ", kind]),
            _ => push(text, &["A ", kind, " was ", verb]),
        }
        if dice.per_mille(150) {
            push(text, &[" ", dice.pick(&REMARKS)]);
        }
        if dice.per_mille(4) {
            text.push_str("\nsee the runbook \\ escalation");
        }
        line.name("description").text(text);
        if dice.per_mille(30) {
            line.name("reason").text(dice.pick(&REASONS));
        }
    }

    fn who(&self, scratch: &mut Scratch, line: &mut Line) {
        let Self { tenant, actor, .. } = self;
        line.name("actor").open();
        line.name("type").text(match actor.kind {
            ActorKind::Service => "service",
            ActorKind::Guest => "guest",
            ActorKind::Person | ActorKind::Partner => "user",
        });
        line.name("id").plain(|to| actor.id(tenant.name_form, to));
        line.name("name").text(&scratch.actor);
        if actor.kind == ActorKind::Service {
            line.name("credential").open();
            line.name("type").text("token");
            line.name("id").plain(|to| {
                to.extend_from_slice(b"tok_");
                hex(derive(actor.seed, 20 + self.at.of_year() / (90 * DAY_US)), 8, to);
            });
            line.close();
        } else {
            scratch.text.clear();
            actor.email(tenant, &mut scratch.text);
            line.name("email").text(&scratch.text);
        }
        line.close();
    }

    fn what(&self, scratch: &mut Scratch, dice: &mut Dice, line: &mut Line) {
        let kind = self.action.target;
        line.name("targets").open_array();
        for (index, target) in self.targets[..self.target_count].iter().enumerate() {
            // A second one is often what holds the first.
            let kind = if index > 0 && dice.per_mille(400) { "folder" } else { kind };
            line.open();
            line.name("type").text(kind);
            line.name("id").plain(|to| target.id(self.tenant.name_form, kind, to));
            if index == 0 || dice.per_mille(800) {
                scratch.text.clear();
                target.name(target.version(self.at), &mut scratch.text);
                line.name("name").text(&scratch.text);
            }
            line.close();
        }
        line.close_array();
    }

    fn whence(&self, dice: &mut Dice, line: &mut Line) {
        let Self { tenant, actor, at, .. } = self;
        line.name("context").open();
        if dice.per_mille(4) {
            line.name("ip").text("internal");
        } else {
            let own = dice.skewed(3);
            let seed = match dice.below(100) {
                0..3 => dice.bits(),
                3..45 => derive(
                    derive(0, u64::from(dice.below(3))),
                    tenant.name.len() as u64 ^ tenant_number(tenant),
                ),
                _ => derive(actor.seed, 40 + u64::from(own)),
            };
            line.name("ip").plain(|to| address(seed, to));
        }
        if !dice.per_mille(150) {
            let agent = match actor.kind {
                ActorKind::Service => choice(derive(actor.seed, 50), &AGENTS[9..]),
                _ => choice(derive(actor.seed, 50 + u64::from(dice.skewed(2))), &AGENTS[..10]),
            };
            // People update when they get to it.
            let version = 120 + at.of_year() / (30 * DAY_US) - derive(actor.seed, 52) % 3;
            line.name("user_agent").plain(|to| fill(agent, version, to));
        }
        if actor.kind != ActorKind::Service && !dice.per_mille(40) {
            let session = ((at.of_year() / DAY_US) << 8) | u64::from(dice.skewed(4));
            line.name("session_id").plain(|to| {
                to.extend_from_slice(b"ses_");
                hex(derive(actor.seed, 1 << 44 | session), 12, to);
            });
        }
        if dice.per_mille(120) {
            line.name("location").text(choice(derive(actor.seed, 53), &LOCATIONS));
        }
        line.close();
    }

    fn request(&self, dice: &mut Dice, line: &mut Line) {
        let Self { tenant, action, status, .. } = self;
        line.name("request").open();
        line.name("id").plain(|to| {
            if tenant.order == 2 {
                uuid(4, dice.bits(), dice.bits(), to);
            } else {
                to.extend_from_slice(b"req_");
                hex(dice.bits(), 16, to);
            }
        });
        line.name("method").text(action.method);
        line.name("path").plain(|to| {
            to.extend_from_slice(action.path.as_bytes());
            self.targets[0].id(tenant.name_form, action.target, to);
        });
        line.name("status_code").number(*status);
        line.close();
        if *status < 400 && !tenant.names_success {
            return;
        }
        line.name("outcome").open();
        line.name("result").text(match status {
            401 | 403 => "denied",
            400.. => "failure",
            _ => "success",
        });
        if *status >= 400 && dice.per_mille(500) {
            line.name("reason").text(match status {
                401 => "wrong password",
                403 => "the role does not allow it",
                404 => "no such object",
                409 => "somebody else was first",
                422 => "a field is missing",
                429 => "too many requests",
                _ => "upstream did not answer",
            });
        }
        line.close();
    }

    fn changes(&self, scratch: &mut Scratch, dice: &mut Dice, line: &mut Line) {
        if self.action.operation != "update" || dice.per_mille(100) {
            return;
        }
        let target = self.targets[0];
        let version = target.version(self.at);
        let fields = dice.below(7);
        let (number, word) = (dice.below(5_000), dice.pick(&NOUNS));
        line.name("changes").open();
        for (name, now) in [("before", false), ("after", true)] {
            let later = u64::from(now);
            line.name(name).open();
            if fields < 4 {
                scratch.text.clear();
                target.name(version.saturating_sub(1) + later, &mut scratch.text);
                line.name("title").text(&scratch.text);
            }
            if fields.is_multiple_of(3) {
                line.name("status").text(if now { "published" } else { "draft" });
            }
            if fields >= 4 {
                line.name("size").number(u64::from(number) * (1 + later));
                line.name("label").text(if now { word } else { "none" });
            }
            if fields == 5 {
                line.name("settings").open();
                line.name("public").literal(if now { "true" } else { "false" });
                line.name("expires").literal("null");
                line.close();
            }
            line.close();
        }
        line.close();
    }

    fn metadata(&self, rare_keys: &Ranks, dice: &mut Dice, line: &mut Line) {
        let Self { tenant, actor, at, .. } = self;
        line.name("metadata").open();
        let region = if dice.per_mille(50) { dice.pick(&REGIONS) } else { tenant.region };
        line.name("region").text(region);
        line.name("plan").text(if dice.per_mille(10) { dice.pick(&PLANS) } else { tenant.plan });
        if dice.per_mille(600) {
            line.name("app_version").plain(|to| {
                to.extend_from_slice(b"7.");
                decimal(at.of_year() / (14 * DAY_US), to);
                to.push(b'.');
                decimal(derive(actor.seed, 54) % 4, to);
            });
        }
        if dice.per_mille(400) {
            line.name("duration_ms").number(2 + u64::from(dice.skewed(9_000)));
        }
        if dice.per_mille(250) {
            line.name("bytes").number(u64::from(dice.skewed(400_000_000)));
        }
        if dice.per_mille(60) {
            let open = tenant.events() / 100 + 20;
            line.name("ticket").plain(|to| {
                to.extend_from_slice(b"SUP-");
                decimal(1_000 + u64::from(open - dice.skewed(open)), to);
            });
        }
        if dice.per_mille(100) {
            line.name("tags").open_array();
            for _ in 0..dice.below(4) {
                line.text(dice.pick(&TAGS));
            }
            line.close_array();
        }
        if dice.per_mille(30) {
            line.name("cost").literal(dice.pick(&["0.25", "1.5", "12.00", "3.75e-3", "0.1"]));
        }
        if dice.per_mille(40) {
            line.name("device").open();
            line.name("os")
                .text(choice(derive(actor.seed, 55), &["ios", "android", "windows", "macos", "linux"]));
            line.name("managed").literal(if derive(actor.seed, 56).is_multiple_of(4) {
                "true"
            } else {
                "false"
            });
            line.close();
        }
        if dice.per_mille(10) {
            line.name("impersonator").literal("null");
        }
        if dice.per_mille(30) {
            let key = RARE_KEYS[rare_keys.draw(dice)];
            line.name(key).plain(|to| hex(dice.bits() >> 40, 6, to));
        }
        line.close();
    }
}

fn push(text: &mut String, parts: &[&str]) {
    for part in parts {
        text.push_str(part);
    }
}

fn tenant_number(tenant: &Tenant) -> u64 {
    tenant.name.bytes().fold(7, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)))
}

/// An address of ranges that nobody has: for benchmarks, for private networks and carriers, for documentation.
pub(super) fn address(seed: u64, to: &mut Vec<u8>) {
    let bits = derive(seed, 2);
    let byte = |shift: u32| bits >> shift & 255;
    let dotted = |bytes: [u64; 4], to: &mut Vec<u8>| {
        for (index, byte) in bytes.into_iter().enumerate() {
            if index > 0 {
                to.push(b'.');
            }
            decimal(byte, to);
        }
    };
    match derive(seed, 1) % 100 {
        0..60 => dotted([198, 18 + byte(0) % 2, byte(8), byte(16)], to),
        60..79 => dotted([10, byte(0), byte(8), byte(16)], to),
        79..80 => {
            to.extend_from_slice(b"::ffff:");
            dotted([10, byte(0), byte(8), byte(16)], to);
        }
        80..92 => dotted([100, 64 + byte(0) % 64, byte(8), byte(16)], to),
        _ => {
            to.extend_from_slice(b"2001:db8");
            for shift in [0, 16] {
                to.push(b':');
                hex(bits >> shift | 0x1000, 4, to);
            }
            to.extend_from_slice(b"::");
            hex(bits >> 32 | 0x1000, 4, to);
        }
    }
}

/// Puts a version where `%` stands.
fn fill(agent: &str, version: u64, to: &mut Vec<u8>) {
    for byte in agent.bytes() {
        match byte {
            b'%' => decimal(version, to),
            _ => to.push(byte),
        }
    }
}
