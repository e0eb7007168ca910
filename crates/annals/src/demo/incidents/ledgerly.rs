//! A night of guessed passwords, and an invoice that approved itself.

use super::super::names::{mailbox, name};
use super::super::tenants::LEDGERLY;
use super::*;

const GUESSERS: [&str; 4] = ["192.0.2.161", "192.0.2.162", "192.0.2.163", "192.0.2.178"];
const GUESSER_AGENT: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/120.0.0.0 Safari/537.36";
/// Mailboxes tried although nobody has them: numbers in the list of names that no tenant hires.
const STRANGERS: std::ops::Range<usize> = 612..764;

pub(super) fn password_spraying(scene: &mut Scene) {
    let people = scene.people(LEDGERLY);
    let victim = member(people, "Iolanda Brandolim");
    let night_us = clock(scene, 5, 4, 2);
    let guess = Event {
        action: "login.failed",
        operation: "authentication",
        category: "authentication",
        severity: "warning",
        ..Event::default()
    };
    // Everyone once, strangers among them, in the order of an address book somebody stole.
    let known = people
        .iter()
        .filter(|person| person.email != victim.email)
        .map(|person| (person.id.as_str(), person.email.clone()));
    let unknown = STRANGERS.map(|number| ("", format!("{}@ledgerly.example", mailbox(&name(number)))));
    let mut accounts: Vec<(&str, String)> = known.chain(unknown).collect();
    accounts.sort_by(|a, b| a.1.cmp(&b.1));
    let mut at_us = night_us;
    for (step, (id, email)) in accounts.iter().enumerate() {
        at_us += 9 * SECOND_US + i64::from(scene.rng.below(19_000_000));
        let reason = if id.is_empty() { "unknown account" } else { "wrong password" };
        let failed = Event {
            description: &format!("Someone failed to sign in as {email}"),
            actor: Actor { kind: "user", id, email, ..Actor::default() },
            context: Context { ip: GUESSERS[step % 4], user_agent: GUESSER_AGENT, ..Context::default() },
            request: scene.request("POST", "/auth/login", 401),
            outcome: Outcome::Failure(reason),
            ..guess
        };
        scene.tell(LEDGERLY, at_us, &failed);
    }
    one_guess_was_right(scene, victim, at_us + 31 * SECOND_US);
}

fn one_guess_was_right(scene: &mut Scene, victim: &Person, at_us: i64) {
    let guessed = Event {
        operation: "authentication",
        category: "authentication",
        actor: Actor::user(victim),
        context: Context { ip: GUESSERS[3], user_agent: GUESSER_AGENT, ..Context::default() },
        ..Event::default()
    };
    let accepted = Event {
        action: "login.password.accepted",
        description: "The password of Iolanda Brandolim was accepted, a second factor was asked for",
        request: scene.request("POST", "/auth/login", 200),
        metadata: r#"{"second_factor":"totp","new_device":true}"#,
        ..guessed
    };
    scene.tell(LEDGERLY, at_us, &accepted);
    for step in 1..=3 {
        let refused = Event {
            action: "login.second_factor",
            severity: "warning",
            description: "Iolanda Brandolim did not pass the second factor",
            request: scene.request("POST", "/auth/second-factor", 403),
            outcome: Outcome::Denied("second factor refused"),
            metadata: r#"{"second_factor":"totp","new_device":true}"#,
            ..guessed
        };
        scene.tell(LEDGERLY, at_us + step * 22 * SECOND_US, &refused);
    }
    let lock = Event {
        action: "user.lock",
        operation: "update",
        category: "access",
        severity: "critical",
        description: "Sign-in guard locked the account of Iolanda Brandolim",
        actor: Actor { kind: "system", id: "sys_guard", name: "Sign-in guard", ..Actor::default() },
        targets: &[Target::user(victim)],
        changes: Changes { before: &[("locked", "false")], after: &[("locked", "true")], complete: false },
        ..Event::default()
    };
    scene.tell(LEDGERLY, at_us + 80 * SECOND_US, &lock);
    let reset = Event {
        action: "user.password.reset",
        operation: "update",
        description: "Iolanda Brandolim chose a new password",
        reason: "account locked overnight",
        context: Context::at(&victim.desks[0]),
        request: scene.request("POST", "/auth/password", 200),
        ..guessed
    };
    scene.tell(LEDGERLY, clock(scene, 5, 12, 20), &reset);
}

const INVOICE: Target = Target { kind: "invoice", id: "inv_aurora_0097", name: "NF-2026-09750" };

pub(super) fn approved_by_the_requester(scene: &mut Scene) {
    let people = scene.people(LEDGERLY);
    let (renato, yuki) = (member(people, "Renato Valadim"), member(people, "Yuki Tanabe-Costa"));
    let delegate = Event {
        action: "approval.delegate",
        operation: "update",
        category: "approvals",
        severity: "notice",
        description: "Yuki Tanabe-Costa let Renato Valadim approve on her behalf while she is on leave",
        actor: Actor::user(yuki),
        targets: &[Target::user(renato)],
        context: Context::at(&yuki.desks[0]),
        request: scene.request("POST", "/api/delegations", 201),
        metadata: r#"{"delegation":"dlg_0231","until_days":21,"limit_brl":50000,"except":null}"#,
        ..Event::default()
    };
    scene.tell(LEDGERLY, clock(scene, 52, 19, 40), &delegate);

    let by_renato = Event {
        operation: "create",
        category: "billing",
        actor: Actor::user(renato),
        context: Context::at(&renato.desks[0]),
        metadata: r#"{"amount":49870.00,"currency":"BRL","lines":1,"purchase_order":null}"#,
        ..Event::default()
    };
    let vendor = Target { kind: "vendor", id: "ven_rio_claro", name: "Consultoria Rio Claro Ltda" };
    let enter = Event {
        action: "invoice.create",
        description: "Renato Valadim entered the invoice NF-2026-09750 from Consultoria Rio Claro Ltda",
        targets: &[INVOICE, vendor],
        request: scene.request("POST", "/api/invoices", 201),
        ..by_renato
    };
    scene.tell(LEDGERLY, clock(scene, 47, 20, 3), &enter);
    let submit = Event {
        action: "invoice.submit",
        operation: "update",
        description: "Renato Valadim submitted the invoice NF-2026-09750 for approval",
        targets: &[INVOICE],
        request: scene.request("POST", "/api/invoices/inv_aurora_0097/submit", 200),
        ..by_renato
    };
    scene.tell(LEDGERLY, clock(scene, 47, 20, 9), &submit);
    let approve = Event {
        action: "invoice.approve",
        operation: "update",
        category: "approvals",
        severity: "notice",
        description: "Approvals assistant approved the invoice NF-2026-09750 for Yuki Tanabe-Costa, asked by Renato Valadim",
        actor: Actor {
            kind: "service_account",
            id: "svc_approvals",
            name: "Approvals assistant",
            ..Actor::default()
        },
        // Outermost first: her right, used by him, carried out by the assistant.
        chain: &[Actor::user(yuki), Actor { credential: ("delegation", "dlg_0231"), ..Actor::user(renato) }],
        targets: &[INVOICE],
        context: Context::at(&renato.desks[1]),
        request: scene.request("POST", "/api/invoices/inv_aurora_0097/approve", 200),
        changes: Changes {
            before: &[("status", "submitted")],
            after: &[("status", "approved")],
            complete: false,
        },
        ..by_renato
    };
    scene.tell(LEDGERLY, clock(scene, 47, 23, 51), &approve);
    let pay = Event {
        action: "payment.schedule",
        category: "payments",
        description: "Clearing scheduled the payment of the invoice NF-2026-09750 to Consultoria Rio Claro Ltda",
        actor: Actor { kind: "system", id: "sys_clearing", name: "Clearing", ..Actor::default() },
        targets: &[INVOICE, vendor],
        context: Context::default(),
        ..by_renato
    };
    scene.tell(LEDGERLY, clock(scene, 46, 9, 0), &pay);
}
