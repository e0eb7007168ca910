//! `ledgerly`: invoices, approvals and payments for other companies; São Paulo.

use super::*;

const INVOICE: On = On::Kind(0);
const VENDOR_KIND: usize = 1;
const VENDOR: On = On::Kind(VENDOR_KIND);
const PAYMENT: On = On::Kind(2);
const STATEMENT: On = On::Kind(3);
const API_KEY: On = On::Kind(4);

const BILLING: usize = 0;
const PAYMENTS: usize = 1;
const LOGIN: usize = 2;

pub(super) static TENANT: Tenant = Tenant {
    id: "ledgerly",
    seed: 0x6c65_6467_6572,
    share: 24,
    city: "São Paulo, BR",
    utc_offset_hours: -3,
    network: 2,
    ids: IdStyle::Ulid,
    weekdays: [110, 104, 100, 102, 112, 9, 6],
    hours: [0, 0, 0, 0, 0, 1, 4, 22, 66, 104, 112, 108, 60, 72, 106, 110, 104, 88, 48, 20, 9, 5, 2, 1],
    machines: 9,
    cast: &[
        Member { name: "Marília Quintano", role: 2, leaves_days_before: None },
        Member { name: "Renato Valadim", role: 0, leaves_days_before: None },
        Member { name: "Yuki Tanabe-Costa", role: 1, leaves_days_before: None },
        Member { name: "Iolanda Brandolim", role: 0, leaves_days_before: None },
    ],
    staff: 156,
    first_name: 264,
    teams: &["Payables", "Receivables", "Treasury", "Controlling", "Customer care"],
    projects: &["contas-a-pagar", "fechamento-mensal", "cliente-norte", "cliente-sul", "auditoria"],
    roles: &[
        Role { title: "accountant", share: 58, deeds: ACCOUNTING },
        Role { title: "approver", share: 20, deeds: APPROVING },
        Role { title: "admin", share: 5, deeds: ADMIN },
        Role { title: "support", share: 17, deeds: SUPPORT },
    ],
    kinds: &[
        Kind {
            name: "invoice",
            prefix: "inv_",
            count: 6400,
            naming: Naming::Number { prefix: "NF-2026-", from: 10_421 },
        },
        Kind {
            name: "vendor",
            prefix: "ven_",
            count: 380,
            naming: Naming::Words {
                first: &[
                    "Padaria Aurora",
                    "Gráfica Três Rios",
                    "Oficina Jabuti",
                    "Café do Cais",
                    "Móveis Araucária",
                    "Ferragens \\ Filhos",
                    "株式会社みなと",
                ],
                second: &["", " Ltda", " ME", " do Brasil", " & Irmãs", " Logística", " Serviços"],
            },
        },
        Kind {
            name: "payment",
            prefix: "pay_",
            count: 5200,
            naming: Naming::Number { prefix: "PAG-", from: 700_112 },
        },
        Kind {
            name: "statement",
            prefix: "stm_",
            count: 240,
            naming: Naming::Words {
                first: &["Balancete", "Fluxo de caixa", "Conciliação bancária", "Impostos retidos"],
                second: &[
                    " de janeiro",
                    " de março",
                    " de maio",
                    " de julho",
                    " de setembro",
                    " de novembro",
                ],
            },
        },
        Kind {
            name: "api_key",
            prefix: "key_",
            count: 24,
            naming: Naming::Words {
                first: &["erp", "banco", "relatórios", "cobrança"],
                second: &[" (produção)", " (teste)"],
            },
        },
    ],
    settings: &[
        Setting { name: "approvals.limit_brl", values: &["25000", "40000", "50000"] },
        Setting { name: "payments.cut_off", values: &["15:00", "16:30"] },
        Setting { name: "login.session_hours", values: &["8", "10", "12"] },
        Setting { name: "invoices.reminder_days", values: &["[3,7]", "[3,7,14]", "[5]"] },
    ],
    services: &[
        Service { name: "billing", major: 11, instances: 2 },
        Service { name: "payments", major: 3, instances: 2 },
        Service { name: "login", major: 5, instances: 2 },
    ],
    robots: &[
        Robot {
            kind: "system",
            id: "sys_reminders",
            name: "Reminders",
            ip: "",
            user_agent: "",
            weight: 30,
            deeds: REMINDING,
        },
        Robot {
            kind: "system",
            id: "sys_clearing",
            name: "Clearing",
            ip: "",
            user_agent: "",
            weight: 40,
            deeds: CLEARING,
        },
        Robot {
            kind: "api_key",
            id: "key_erp",
            name: "ERP sync",
            ip: "192.0.2.35",
            user_agent: "erp-sync/8.1",
            weight: 40,
            deeds: SYNCING,
        },
    ],
};

const READ: Deed = deed("invoice.view", "read", "billing", 20)
    .says("opened the invoice {target}", "open the invoice {target}")
    .on(INVOICE)
    .http("GET", "/api/invoices/{id}", 200)
    .with(Detail::Client);
const CREATE: Deed = deed("invoice.create", "create", "billing", 12)
    .says("entered the invoice {target} from {also}", "enter the invoice {target} from {also}")
    .on(INVOICE)
    .also(VENDOR_KIND)
    .http("POST", "/api/invoices", 201)
    .with(Detail::Money)
    .via(BILLING);
const SUBMIT: Deed = deed("invoice.submit", "update", "billing", 10)
    .says("submitted the invoice {target} for approval", "submit the invoice {target} for approval")
    .on(INVOICE)
    .http("POST", "/api/invoices/{id}/submit", 200)
    .with(Detail::Money)
    .via(BILLING);
const APPROVE: Deed = deed("invoice.approve", "update", "approvals", 20)
    .says("approved the invoice {target}", "approve the invoice {target}")
    .on(INVOICE)
    .http("POST", "/api/invoices/{id}/approve", 200)
    .with(Detail::Money)
    .via(BILLING);
const REJECT: Deed = deed("invoice.reject", "update", "approvals", 4)
    .says("sent the invoice {target} back", "send the invoice {target} back")
    .on(INVOICE)
    .http("POST", "/api/invoices/{id}/reject", 200)
    .with(Detail::Money);
const CODE: Deed = deed("invoice.update", "update", "billing", 9)
    .says(
        "moved the invoice {target} from {before} to {after}",
        "move the invoice {target} to another cost centre",
    )
    .on(INVOICE)
    .http("PATCH", "/api/invoices/{id}", 200)
    .via(BILLING)
    .changes(Change::Cycle("cost_center", &["cc-104", "cc-211", "cc-350"]));
const BANK: Deed = deed("vendor.update", "update", "vendors", 3)
    .says("changed how often {target} is paid from {before} to {after}", "change how {target} is paid")
    .on(VENDOR)
    .http("PATCH", "/api/vendors/{id}", 200)
    .changes(Change::Cycle("payment_terms", &["net 30", "net 45", "weekly"]))
    .severity("notice");
const PAY: Deed = deed("payment.schedule", "create", "payments", 7)
    .says("scheduled the payment {target} to {also}", "schedule the payment {target} to {also}")
    .on(PAYMENT)
    .also(VENDOR_KIND)
    .http("POST", "/api/payments", 201)
    .with(Detail::Money)
    .via(PAYMENTS);
const EXPORT: Deed = deed("export.create", "create", "export", 3)
    .says("exported “{target}”", "export “{target}”")
    .on(STATEMENT)
    .http("POST", "/api/exports", 202)
    .with(Detail::Export)
    .severity("notice");
const GRANT: Deed = deed("role.grant", "update", "access", 5)
    .says("made {target} an approver for a week", "make {target} an approver")
    .on(On::Colleague)
    .http("POST", "/api/users/{id}/roles", 200)
    .severity("notice")
    .with(Detail::Token)
    .via(LOGIN);
const UNLOCK: Deed = deed("user.unlock", "update", "access", 4)
    .says("unlocked the account of {target}", "unlock the account of {target}")
    .on(On::Colleague)
    .http("POST", "/api/users/{id}/unlock", 200)
    .via(LOGIN)
    .changes(Change::Cycle("locked", &["true", "false"]));
const NEW_KEY: Deed = deed("apikey.create", "create", "access", 2)
    .says("created the API key “{target}”", "create the API key “{target}”")
    .on(API_KEY)
    .http("POST", "/api/keys", 201)
    .severity("notice")
    .with(Detail::Token);
const SETTINGS: Deed = deed("settings.update", "update", "settings", 4)
    .says("changed {target} from {before} to {after}", "change {target}")
    .on(On::Setting)
    .http("PUT", "/api/settings/{id}", 200)
    .changes(Change::Setting)
    .severity("notice");
const HELP: Deed = deed("user.impersonate", "access", "support", 5)
    .says("looked at the service as {target} would see it", "look at the service as {target}")
    .on(On::Colleague)
    .http("POST", "/api/support/sessions", 201)
    .severity("notice")
    .with(Detail::Client);

static ACCOUNTING: &[Deed] = &[READ, CREATE, SUBMIT, CODE, BANK, PAY, EXPORT];
static APPROVING: &[Deed] = &[READ, APPROVE, REJECT, PAY, EXPORT];
static ADMIN: &[Deed] = &[READ, GRANT, UNLOCK, NEW_KEY, SETTINGS, EXPORT];
static SUPPORT: &[Deed] = &[READ, HELP, UNLOCK];

static REMINDING: &[Deed] = &[
    deed("invoice.remind", "other", "billing", 5)
        .says("reminded {also} of the invoice {target}", "remind {also} of the invoice {target}")
        .on(INVOICE)
        .also(VENDOR_KIND)
        .with(Detail::Job)
        .via(BILLING),
    deed("invoice.overdue", "", "billing", 2)
        .says("marked the invoice {target} as overdue", "mark the invoice {target} as overdue")
        .on(INVOICE)
        .with(Detail::Money)
        .via(BILLING),
];
static CLEARING: &[Deed] = &[
    deed("payment.settle", "update", "payments", 6)
        .says("settled the payment {target}", "settle the payment {target}")
        .on(PAYMENT)
        .with(Detail::Money)
        .via(PAYMENTS),
    deed("statement.close", "snapshot", "reports", 1)
        .says("closed “{target}”", "close “{target}”")
        .on(STATEMENT)
        .with(Detail::Job)
        .via(BILLING),
];
static SYNCING: &[Deed] = &[
    deed("invoice.sync", "read", "integration", 9)
        .says("fetched the invoice {target}", "fetch the invoice {target}")
        .on(INVOICE)
        .http("GET", "/api/invoices/{id}", 200)
        .with(Detail::Job)
        .via(BILLING),
    deed("vendor.sync", "update", "integration", 3)
        .says("brought {target} up to date", "bring {target} up to date")
        .on(VENDOR)
        .http("PUT", "/api/vendors/{id}", 200)
        .with(Detail::Job),
];
