//! A record read by someone who does not treat the patient, and ten years of records nearly cut to one.

use super::super::tenants::MOSAIC;
use super::*;

const RECORD: Target = Target { kind: "patient_record", id: "pat_glass_24077", name: "Record MH-24077" };
const SECTIONS: [&str; 6] = ["summary", "diagnoses", "medication", "laboratory", "letters", "psychiatry"];

pub(super) fn broken_glass(scene: &mut Scene) {
    let people = scene.people(MOSAIC);
    let (emi, noor) = (member(people, "Dr. Emi Hoshikura"), member(people, "Noor Benkhelil"));
    let evening_us = clock(scene, 12, 13, 38);
    let by_emi = Event {
        category: "patient_record",
        reason: "emergency, patient not responsive",
        actor: Actor::user(emi),
        targets: &[RECORD],
        context: Context::at(&emi.desks[1]),
        scope: ("Orthopaedics", "clinic-kita"),
        metadata: r#"{"relationship":"none","purpose":"emergency","break_glass":true,"ward":null}"#,
        ..Event::default()
    };
    let break_glass = Event {
        action: "patient_record.break_glass",
        operation: "access",
        severity: "warning",
        description: "Dr. Emi Hoshikura broke the glass to open Record MH-24077 without treating the patient",
        request: scene.request("POST", "/fhir/Patient/pat_glass_24077/break-glass", 200),
        ..by_emi
    };
    scene.tell(MOSAIC, evening_us, &break_glass);
    for (step, section) in (1..).zip(SECTIONS) {
        let path = format!("/fhir/Patient/pat_glass_24077/{section}");
        let read = Event {
            action: "patient_record.read",
            operation: "read",
            severity: "notice",
            description: &format!("Dr. Emi Hoshikura read the {section} of Record MH-24077"),
            request: scene.request("GET", &path, 200),
            ..by_emi
        };
        scene.tell(MOSAIC, evening_us + step * 95 * SECOND_US, &read);
    }
    let flag = Event {
        action: "access.review",
        operation: "update",
        category: "privacy",
        severity: "warning",
        description: "Noor Benkhelil flagged how Dr. Emi Hoshikura had opened Record MH-24077",
        reason: "no admission that evening, asked for a statement",
        actor: Actor::user(noor),
        targets: &[Target::user(emi), RECORD],
        context: Context::at(&noor.desks[0]),
        changes: Changes { before: &[("review", "open")], after: &[("review", "flagged")], complete: false },
        scope: ("Privacy office", ""),
        ..Event::default()
    };
    scene.tell(MOSAIC, clock(scene, 10, 1, 15), &flag);
}

const RETENTION: Target = Target { kind: "setting", id: "records.retention", name: "records.retention" };
const TEN_YEARS: [(&str, &str); 3] = [("days", "3650"), ("legal_hold", "true"), ("purge_at", "03:00")];
const ONE_YEAR: [(&str, &str); 3] = [("days", "365"), ("legal_hold", "false"), ("purge_at", "03:00")];

pub(super) fn retention_cut_short(scene: &mut Scene) {
    let people = scene.people(MOSAIC);
    let (kenji, sora) = (member(people, "Kenji Morishige"), member(people, "Sora Kazehaya"));
    let noon_us = clock(scene, 3, 3, 12);
    let cut = Event {
        action: "settings.update",
        operation: "update",
        category: "settings",
        severity: "warning",
        description: "Kenji Morishige changed the setting records.retention from 3650 to 365 days",
        reason: "meant for the test clinic",
        actor: Actor::user(kenji),
        targets: &[RETENTION],
        context: Context::at(&kenji.desks[0]),
        request: scene.request("PUT", "/settings/records.retention", 200),
        changes: Changes { before: &TEN_YEARS, after: &ONE_YEAR, complete: true },
        ..Event::default()
    };
    scene.tell(MOSAIC, noon_us, &cut);
    let preview = Event {
        action: "retention.preview",
        operation: "read",
        category: "maintenance",
        severity: "critical",
        description: "Record keeper found 12480 records due for deletion under records.retention",
        reason: "",
        actor: Actor { kind: "system", id: "sys_keeper", name: "Record keeper", ..Actor::default() },
        context: Context::default(),
        request: None,
        outcome: Outcome::Denied("more than 1 % of all records"),
        changes: Changes::default(),
        metadata: r#"{"due":12480,"share":0.31,"yesterday":{"due":4,"share":0.0001},"approved_by":null}"#,
        ..cut
    };
    scene.tell(MOSAIC, noon_us + 18 * MINUTE_US, &preview);
    let back = Event {
        action: "settings.rollback",
        severity: "notice",
        description: "Sora Kazehaya set records.retention back to 3650 days",
        reason: "changed on the wrong clinic, INC-124",
        actor: Actor::user(sora),
        context: Context::at(&sora.desks[0]),
        request: scene.request("POST", "/settings/records.retention/rollback", 200),
        changes: Changes { before: &ONE_YEAR, after: &TEN_YEARS, complete: true },
        ..cut
    };
    scene.tell(MOSAIC, noon_us + 47 * MINUTE_US, &back);
}
