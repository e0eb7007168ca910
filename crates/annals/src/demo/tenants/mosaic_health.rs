//! `mosaic-health`: software for clinics, and one clinic that runs on it; 東京. Patients have record numbers, never names.

use super::*;

const RECORD: On = On::Kind(0);
const APPOINTMENT: On = On::Kind(1);
const PRESCRIPTION: On = On::Kind(2);
const SURVEY: On = On::Kind(3);
const CLAIM: On = On::Kind(4);
const RECORD_KIND: usize = 0;

const RECORDS: usize = 0;
const SCHEDULE: usize = 1;
const ACCESS: usize = 2;

pub(super) static TENANT: Tenant = Tenant {
    id: "mosaic-health",
    seed: 0x6d6f_7361_6963,
    share: 16,
    city: "東京, JP",
    utc_offset_hours: 9,
    network: 3,
    ids: IdStyle::Uuid,
    weekdays: [112, 100, 98, 100, 104, 55, 14],
    hours: [6, 4, 3, 3, 4, 8, 22, 70, 104, 112, 110, 98, 62, 90, 104, 100, 92, 70, 40, 24, 18, 14, 10, 8],
    machines: 7,
    cast: &[
        Member { name: "Sora Kazehaya", role: 2, leaves_days_before: None },
        Member { name: "Dr. Emi Hoshikura", role: 0, leaves_days_before: None },
        Member { name: "Kenji Morishige", role: 2, leaves_days_before: None },
        Member { name: "Noor Benkhelil", role: 2, leaves_days_before: None },
    ],
    staff: 180,
    first_name: 420,
    teams: &["Cardiology", "Orthopaedics", "Paediatrics", "Front desk", "Laboratory", "Privacy office"],
    projects: &["clinic-kita", "clinic-minami", "telehealth", "研究-2026"],
    roles: &[
        Role { title: "clinician", share: 52, deeds: TREATING },
        Role { title: "front desk", share: 30, deeds: RECEIVING },
        Role { title: "admin", share: 4, deeds: ADMIN },
        Role { title: "billing", share: 14, deeds: CLAIMING },
    ],
    kinds: &[
        Kind {
            name: "patient_record",
            prefix: "pat_",
            count: 5200,
            naming: Naming::Number { prefix: "Record MH-", from: 20_118 },
        },
        Kind {
            name: "appointment",
            prefix: "apt_",
            count: 9000,
            naming: Naming::Number { prefix: "Visit ", from: 81_004 },
        },
        Kind {
            name: "prescription",
            prefix: "rx_",
            count: 4200,
            naming: Naming::Number { prefix: "処方 ", from: 33_870 },
        },
        Kind {
            name: "survey",
            prefix: "srv_",
            count: 160,
            naming: Naming::Words {
                first: &["Recovery diary", "Pain scale", "Vaccination check", "睡眠アンケート"],
                second: &["", " – children", " – adults", " – português"],
            },
        },
        Kind {
            name: "claim",
            prefix: "clm_",
            count: 3600,
            naming: Naming::Number { prefix: "Claim ", from: 5_210 },
        },
    ],
    settings: &[
        Setting { name: "portal.languages", values: &[r#"["ja","en"]"#, r#"["ja","en","pt"]"#] },
        Setting { name: "visits.reminder_hours", values: &["24", "48"] },
        Setting { name: "screens.lock_minutes", values: &["5", "10", "3"] },
    ],
    services: &[
        Service { name: "records", major: 9, instances: 2 },
        Service { name: "schedule", major: 6, instances: 2 },
        Service { name: "access", major: 2, instances: 1 },
    ],
    robots: &[
        Robot {
            kind: "system",
            id: "sys_reminders",
            name: "Visit reminders",
            ip: "",
            user_agent: "",
            weight: 34,
            deeds: REMINDING,
        },
        Robot {
            kind: "service_account",
            id: "svc_lab_bridge",
            name: "Laboratory bridge",
            ip: "192.0.2.52",
            user_agent: "lab-bridge/2.2 hl7",
            weight: 40,
            deeds: BRIDGING,
        },
        Robot {
            kind: "system",
            id: "sys_keeper",
            name: "Record keeper",
            ip: "",
            user_agent: "",
            weight: 8,
            deeds: KEEPING,
        },
    ],
};

const READ: Deed = deed("patient_record.read", "read", "patient_record", 34)
    .says("read {target}", "read {target}")
    .on(RECORD)
    .http("GET", "/fhir/Patient/{id}", 200)
    .with(Detail::Care)
    .via(RECORDS);
const WRITE: Deed = deed("patient_record.update", "update", "patient_record", 14)
    .says(
        "changed the triage level of {target} from {before} to {after}",
        "change the triage level of {target}",
    )
    .on(RECORD)
    .http("PATCH", "/fhir/Patient/{id}", 200)
    .with(Detail::Care)
    .via(RECORDS)
    .changes(Change::Cycle("triage", &["green", "yellow", "orange", "green"]));
const NOTE: Deed = deed("patient_note.create", "create", "patient_record", 12)
    .says("wrote a note in {target}", "write a note in {target}")
    .on(RECORD)
    .http("POST", "/fhir/Patient/{id}/notes", 201)
    .with(Detail::Care)
    .via(RECORDS);
const PRESCRIBE: Deed = deed("prescription.create", "create", "prescription", 9)
    .says("wrote the prescription {target} for {also}", "write a prescription for {also}")
    .on(PRESCRIPTION)
    .also(RECORD_KIND)
    .http("POST", "/fhir/MedicationRequest", 201)
    .with(Detail::Care);
const SIGN: Deed = deed("prescription.sign", "update", "prescription", 8)
    .says("signed the prescription {target}", "sign the prescription {target}")
    .on(PRESCRIPTION)
    .http("POST", "/fhir/MedicationRequest/{id}/sign", 200)
    .changes(Change::Cycle("status", &["draft", "active"]))
    .via(RECORDS);
const PRINT: Deed = deed("patient_record.print", "access", "patient_record", 2)
    .says("printed a summary of {target}", "print a summary of {target}")
    .on(RECORD)
    .http("POST", "/fhir/Patient/{id}/summary", 200)
    .severity("notice")
    .with(Detail::Care);
const BOOK: Deed = deed("appointment.create", "create", "schedule", 20)
    .says("booked {target} for {also}", "book {target} for {also}")
    .on(APPOINTMENT)
    .also(RECORD_KIND)
    .http("POST", "/fhir/Appointment", 201)
    .via(SCHEDULE)
    .with(Detail::Client);
const MOVE: Deed = deed("appointment.update", "update", "schedule", 12)
    .says("moved {target} from {before} to {after}", "move {target}")
    .on(APPOINTMENT)
    .http("PATCH", "/fhir/Appointment/{id}", 200)
    .via(SCHEDULE)
    .changes(Change::Cycle("room", &["2-14", "2-16", "3-02", "video"]));
const CHECK_IN: Deed = deed("appointment.check_in", "update", "schedule", 14)
    .says("checked in {target}", "check in {target}")
    .on(APPOINTMENT)
    .http("POST", "/fhir/Appointment/{id}/check-in", 200)
    .via(SCHEDULE);
const CLAIM_SEND: Deed = deed("claim.submit", "create", "billing", 12)
    .says("sent {target} to the insurer", "send {target} to the insurer")
    .on(CLAIM)
    .http("POST", "/fhir/Claim", 201)
    .with(Detail::Money);
const CLAIM_READ: Deed = deed("claim.read", "read", "billing", 14)
    .says("opened {target}", "open {target}")
    .on(CLAIM)
    .http("GET", "/fhir/Claim/{id}", 200)
    .with(Detail::Money);
const EXPORT: Deed = deed("export.create", "create", "export", 2)
    .says("exported the answers to “{target}”", "export the answers to “{target}”")
    .on(SURVEY)
    .http("POST", "/exports", 202)
    .with(Detail::Export)
    .severity("notice");
const GRANT: Deed = deed("role.grant", "update", "access", 6)
    .says("let {target} stand in for a colleague for a week", "let {target} stand in for a colleague")
    .on(On::Colleague)
    .http("POST", "/users/{id}/roles", 200)
    .severity("notice")
    .with(Detail::Token)
    .via(ACCESS);
const SETTINGS: Deed = deed("settings.update", "update", "settings", 3)
    .says("changed the setting {target} from {before} to {after}", "change the setting {target}")
    .on(On::Setting)
    .http("PUT", "/settings/{id}", 200)
    .changes(Change::Setting)
    .severity("notice");
const REVIEW: Deed = deed("access.review", "read", "privacy", 8)
    .says("reviewed what {target} had opened", "review what {target} had opened")
    .on(On::Colleague)
    .http("GET", "/privacy/users/{id}/accesses", 200)
    .with(Detail::Client)
    .via(ACCESS);

static TREATING: &[Deed] = &[READ, WRITE, NOTE, PRESCRIBE, SIGN, PRINT];
static RECEIVING: &[Deed] = &[BOOK, MOVE, CHECK_IN];
static ADMIN: &[Deed] = &[GRANT, SETTINGS, REVIEW, EXPORT];
static CLAIMING: &[Deed] = &[CLAIM_SEND, CLAIM_READ, EXPORT];

static REMINDING: &[Deed] = &[deed("appointment.remind", "other", "schedule", 6)
    .says("sent a reminder of {target}", "send a reminder of {target}")
    .on(APPOINTMENT)
    .with(Detail::Job)
    .via(SCHEDULE)];
static BRIDGING: &[Deed] = &[deed("lab_result.attach", "update", "laboratory", 7)
    .says("attached laboratory results to {target}", "attach laboratory results to {target}")
    .on(RECORD)
    .http("POST", "/fhir/DiagnosticReport", 201)
    .with(Detail::Job)
    .via(RECORDS)];
static KEEPING: &[Deed] = &[
    deed("backup.finish", "snapshot", "maintenance", 2)
        .says("backed up all records", "back up all records")
        .with(Detail::Job),
    deed("patient_record.seal", "", "patient_record", 4)
        .says("sealed {target} after a year without visits", "seal {target}")
        .on(RECORD)
        .with(Detail::Job)
        .via(RECORDS),
];
