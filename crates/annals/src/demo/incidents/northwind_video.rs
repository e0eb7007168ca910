//! An administrator who left with a key in his pocket, and a key that left by itself.

use super::super::tenants::NORTHWIND;
use super::*;

const EXPORTER: usize = 3;

/// Numbers of the exporter's sequence that never arrived.
const EXPORTER_LOST: u64 = 14;

pub(super) fn off_boarded_admin(scene: &mut Scene) {
    let people = scene.people(NORTHWIND);
    let ana = member(people, "Ana Lindqvist");
    let tomasz = member(people, "Tomasz Wieczornik");
    suspended_but_for_the_key(scene, ana, tomasz);
    night_of_exports(scene, tomasz);

    let revoke = Event {
        action: "apikey.revoke",
        operation: "delete",
        category: "access",
        severity: "warning",
        description: "Ana Lindqvist revoked the API key “tomasz laptop” of Tomasz Wieczornik",
        reason: "off-boarding missed personal API keys, INC-118",
        actor: Actor::user(ana),
        targets: &[
            Target { kind: "api_key", id: "key_tw_laptop", name: "tomasz laptop" },
            Target::user(tomasz),
        ],
        context: Context::at(&ana.desks[0]),
        request: scene.request("DELETE", "/v1/api-keys/key_tw_laptop", 204),
        changes: Changes {
            before: &[("status", "active")],
            after: &[("status", "revoked")],
            complete: false,
        },
        ..Event::default()
    };
    scene.tell(NORTHWIND, clock(scene, 17, 8, 12), &revoke);
}

fn suspended_but_for_the_key(scene: &mut Scene, ana: &Person, tomasz: &Person) {
    let path = format!("/v1/users/{}/suspend", tomasz.id);
    let suspend = Event {
        action: "user.suspend",
        operation: "update",
        category: "people",
        severity: "notice",
        description: "Ana Lindqvist suspended Tomasz Wieczornik, whose last day it was",
        reason: "off-boarding",
        actor: Actor::user(ana),
        targets: &[Target::user(tomasz)],
        context: Context::at(&ana.desks[0]),
        request: scene.request("POST", &path, 200),
        changes: Changes {
            before: &[("status", "active"), ("sessions", "3"), ("api_keys", "1")],
            after: &[("status", "suspended"), ("sessions", "0"), ("api_keys", "1")],
            complete: true,
        },
        scope: ("Platform", ""),
        ..Event::default()
    };
    scene.tell(NORTHWIND, tomasz.left_at_us, &suspend);
    let turned_away = Event {
        action: "login.failed",
        operation: "authentication",
        category: "authentication",
        severity: "warning",
        description: "Tomasz Wieczornik could not sign in: the account is suspended",
        actor: Actor::user(tomasz),
        context: Context::at(&tomasz.desks[1]),
        request: scene.request("POST", "/auth/login", 403),
        outcome: Outcome::Denied("account suspended"),
        ..Event::default()
    };
    for minutes in [212, 213, 220] {
        scene.tell(NORTHWIND, tomasz.left_at_us + minutes * MINUTE_US, &turned_away);
    }
}

fn night_of_exports(scene: &mut Scene, tomasz: &Person) {
    let night_us = clock(scene, 17, 1, 41);
    let by_key = Event {
        severity: "notice",
        actor: Actor {
            kind: "api_key",
            id: "key_tw_laptop",
            name: "tomasz laptop",
            email: "",
            credential: ("personal_api_key", "key_tw_laptop"),
        },
        chain: &[Actor::user(tomasz)],
        context: Context { ip: &tomasz.desks[1].ip, user_agent: "curl/8.14.1", ..Context::default() },
        ..Event::default()
    };
    let lists = [
        (
            "cst_subscribers",
            "Subscribers",
            r#"{"format":"csv","rows":48211,"columns":["email","country","plan"]}"#,
        ),
        (
            "cst_invoices",
            "Customer invoices",
            r#"{"format":"csv","rows":131940,"columns":["customer","amount","paid_at"]}"#,
        ),
        (
            "cst_contacts",
            "Press contacts",
            r#"{"format":"csv","rows":2907,"columns":["name","email","phone"]}"#,
        ),
    ];
    for (step, (id, name, metadata)) in (0..).zip(lists) {
        let at_us = night_us + step * 4 * MINUTE_US;
        let targets = [Target { kind: "customer_list", id, name }];
        let read = Event {
            action: "customer_list.read",
            operation: "read",
            category: "customers",
            severity: "",
            description: &format!("The API key “tomasz laptop” read the customer list “{name}”"),
            targets: &targets,
            request: scene.request("GET", "/v1/customer-lists", 200),
            ..by_key
        };
        scene.tell(NORTHWIND, at_us, &read);
        let export = Event {
            action: "export.create",
            operation: "create",
            category: "export",
            description: &format!("The API key “tomasz laptop” exported the customer list “{name}”"),
            targets: &targets,
            request: scene.request("POST", "/v1/exports", 202),
            metadata,
            ..by_key
        };
        let source = BeatSource { service: EXPORTER, instance: 0, lost: 0 };
        scene.tell_from(NORTHWIND, at_us + 50 * SECOND_US, &export, Some(source));
    }

    // The hole in the exporter's numbers: whatever it did in those minutes was never reported.
    let targets =
        [Target { kind: "playlist", id: "pl_festival_main", name: "Festival 2026 – main programme" }];
    let delete = Event {
        action: "playlist.delete",
        operation: "delete",
        category: "playlist",
        severity: "warning",
        description: "The API key “tomasz laptop” deleted the playlist “Festival 2026 – main programme”",
        targets: &targets,
        request: scene.request("DELETE", "/v1/playlists/pl_festival_main", 204),
        changes: Changes {
            before: &[("videos", "64"), ("visibility", "public")],
            after: &[],
            complete: true,
        },
        ..by_key
    };
    let source = BeatSource { service: EXPORTER, instance: 0, lost: EXPORTER_LOST };
    scene.tell_from(NORTHWIND, night_us + 19 * MINUTE_US, &delete, Some(source));
}

/// What a thief tries first: the path, and whether the key may.
const ENUMERATED: [(&str, &str, bool); 9] = [
    ("/v1/me", "its own rights", true),
    ("/v1/users", "all users", true),
    ("/v1/videos", "all videos", true),
    ("/v1/playlists", "all playlists", true),
    ("/v1/api-keys", "all API keys", true),
    ("/v1/customer-lists", "the customer lists", false),
    ("/v1/billing", "the billing data", false),
    ("/v1/settings", "the settings", false),
    ("/v1/webhooks", "the webhooks", true),
];

/// Where the stolen key is used from, and which program uses it.
const THIEF: [(&str, &str); 2] =
    [("2001:db8:bad:cafe::17", "python-requests/2.32.5"), ("192.0.2.201", "python-requests/2.32.5")];

pub(super) fn leaked_key(scene: &mut Scene) {
    let people = scene.people(NORTHWIND);
    let (ana, idris) = (member(people, "Ana Lindqvist"), member(people, "Idris Okwuosa"));
    let push_us = clock(scene, 9, 13, 4);
    let push = Event {
        action: "repository.push",
        operation: "update",
        category: "platform",
        description: "Idris Okwuosa pushed 3 files to the public repository “player-samples”",
        actor: Actor::user(idris),
        targets: &[Target { kind: "repository", id: "repo_player_samples", name: "player-samples" }],
        context: Context::at(&idris.desks[0]),
        metadata: r#"{"commit":"9f2c41d07be6","visibility":"public","files":["README.md",".env.ci","samples/embed.html"]}"#,
        ..Event::default()
    };
    scene.tell(NORTHWIND, push_us, &push);
    enumerate(scene, push_us + 4 * MINUTE_US);
    new_key(scene, push_us + 9 * MINUTE_US);

    let alert = Event {
        action: "security.alert",
        operation: "other",
        category: "security",
        severity: "critical",
        description: "Security watch saw the API key “CI deploy” used from a network it never used before",
        actor: Actor { kind: "system", id: "sys_watch", name: "Security watch", ..Actor::default() },
        targets: &[Target { kind: "api_key", id: "key_ci_deploy", name: "CI deploy" }],
        metadata: r#"{"rule":"new-network","score":0.97,"previous_networks":["192.0.2.0/28"],"muted_until":null}"#,
        ..Event::default()
    };
    scene.tell(NORTHWIND, push_us + 13 * MINUTE_US, &alert);
    for (step, (id, name)) in
        (0..).zip([("key_backup_sync", "backup-sync"), ("key_ci_deploy_old", "CI deploy (leaked secret)")])
    {
        let path = format!("/v1/api-keys/{id}");
        let revoke = Event {
            action: "apikey.revoke",
            operation: "delete",
            category: "access",
            severity: "warning",
            description: &format!("Ana Lindqvist revoked the API key “{name}”"),
            reason: "secret published in a commit, INC-121",
            actor: Actor::user(ana),
            targets: &[Target { kind: "api_key", id, name }],
            context: Context::at(&ana.desks[0]),
            request: scene.request("DELETE", &path, 204),
            changes: Changes {
                before: &[("status", "active")],
                after: &[("status", "revoked")],
                complete: false,
            },
            ..Event::default()
        };
        scene.tell(NORTHWIND, push_us + (21 + step) * MINUTE_US, &revoke);
    }
}

fn stolen(id: &'static str, name: &'static str, at: usize) -> Event<'static> {
    let (ip, user_agent) = THIEF[at];
    Event {
        actor: Actor { kind: "api_key", id, name, email: "", credential: ("api_key", id) },
        context: Context { ip, user_agent, ..Context::default() },
        ..Event::default()
    }
}

fn enumerate(scene: &mut Scene, from_us: i64) {
    for round in 0..4_usize {
        for (step, (path, what, allowed)) in (0..).zip(ENUMERATED) {
            let status_code = if allowed { 200 } else { 403 };
            let (verb, outcome, severity) = if allowed {
                ("listed", Outcome::Success, "")
            } else {
                ("was not allowed to list", Outcome::Denied("missing permission"), "warning")
            };
            let page = format!("{path}?page={}", round + 1);
            let list = Event {
                action: "inventory.list",
                operation: "read",
                category: "platform",
                severity,
                description: &format!("The API key “CI deploy” {verb} {what}"),
                request: scene.request("GET", &page, status_code),
                outcome,
                ..stolen("key_ci_deploy", "CI deploy", round % 2)
            };
            let at_us =
                from_us + i64::try_from(round).expect("small") * 60 * SECOND_US + step * 5 * SECOND_US;
            scene.tell(NORTHWIND, at_us, &list);
        }
    }
}

fn new_key(scene: &mut Scene, at_us: i64) {
    let create = Event {
        action: "apikey.create",
        operation: "create",
        category: "access",
        severity: "notice",
        description: "The API key “CI deploy” created the API key “backup-sync”",
        targets: &[Target { kind: "api_key", id: "key_backup_sync", name: "backup-sync" }],
        request: scene.request("POST", "/v1/api-keys", 201),
        metadata: r#"{"scopes":["read","write","admin"],"expires_on":null}"#,
        ..stolen("key_ci_deploy", "CI deploy", 1)
    };
    scene.tell(NORTHWIND, at_us, &create);
    for step in 1..=3 {
        let read = Event {
            action: "video.download",
            operation: "access",
            category: "video",
            description: "The API key “backup-sync” downloaded “Winter light, teaser (final)”",
            targets: &[Target {
                kind: "video",
                id: "vid_winter_light",
                name: "Winter light, teaser (final)",
            }],
            request: scene.request("GET", "/v1/videos/vid_winter_light/file", 200),
            ..stolen("key_backup_sync", "backup-sync", 1)
        };
        scene.tell(NORTHWIND, at_us + step * 70 * SECOND_US, &read);
    }
}
