//! People coming and going: who joins during the year is invited, who leaves is suspended.

use super::calendar::MINUTE_US;
use super::event::{Actor, Changes, Context, Event, Target};
use super::people::Person;
use super::scene::Scene;
use super::tenants::TENANTS;

pub(super) fn tell(scene: &mut Scene, begin_us: i64) {
    for (index, tenant) in TENANTS.iter().enumerate() {
        let people = scene.people(index);
        // The cast's comings and goings are stories of their own.
        for person in people.iter().skip(tenant.cast.len()) {
            if person.joined_after(begin_us) {
                welcome(scene, index, &people[0], person);
            }
            if person.left_at_us != i64::MAX {
                say_goodbye(scene, index, &people[0], person);
            }
        }
    }
}

fn welcome(scene: &mut Scene, tenant: usize, admin: &Person, person: &Person) {
    let title = TENANTS[tenant].roles[person.role].title;
    let path = format!("/v1/users/{}/roles", person.id);
    let by_admin = Event {
        severity: "notice",
        actor: Actor::user(admin),
        targets: &[Target::user(person)],
        context: Context::at(&admin.desks[0]),
        scope: (person.team, ""),
        ..Event::default()
    };
    let invite = Event {
        action: "user.invite",
        operation: "create",
        category: "people",
        description: &format!("{} invited {} to the team {}", admin.name, person.name, person.team),
        request: scene.request("POST", "/v1/invitations", 201),
        metadata: r#"{"expires_in_days":7,"message":null}"#,
        ..by_admin
    };
    scene.tell(tenant, person.joined_at_us - 40 * MINUTE_US, &invite);
    let grant = Event {
        action: "role.grant",
        operation: "update",
        category: "access",
        description: &format!("{} gave {} the role “{title}”", admin.name, person.name),
        request: scene.request("POST", &path, 200),
        changes: Changes { before: &[("role", "null")], after: &[("role", title)], complete: false },
        ..by_admin
    };
    scene.tell(tenant, person.joined_at_us - 38 * MINUTE_US, &grant);
    let accept = Event {
        action: "user.invite.accept",
        operation: "update",
        category: "people",
        severity: "",
        description: &format!("{} accepted the invitation of {}", person.name, admin.name),
        actor: Actor::user(person),
        targets: &[Target::user(admin)],
        context: Context::at(&person.desks[1]),
        request: scene.request("POST", "/v1/invitations/accept", 200),
        ..by_admin
    };
    scene.tell(tenant, person.joined_at_us, &accept);
}

fn say_goodbye(scene: &mut Scene, tenant: usize, admin: &Person, person: &Person) {
    let path = format!("/v1/users/{}/suspend", person.id);
    let suspend = Event {
        action: "user.suspend",
        operation: "update",
        category: "people",
        severity: "notice",
        description: &format!("{} suspended {}, whose last day it was", admin.name, person.name),
        reason: "off-boarding",
        actor: Actor::user(admin),
        targets: &[Target::user(person)],
        context: Context::at(&admin.desks[0]),
        request: scene.request("POST", &path, 200),
        changes: Changes {
            before: &[("status", "active")],
            after: &[("status", "suspended")],
            complete: false,
        },
        scope: (person.team, ""),
        ..Event::default()
    };
    scene.tell(tenant, person.left_at_us, &suspend);
}
