//! A tenant's staff: who they are, when they came and left, where they work from.

use super::calendar::{DAY_US, HOUR_US, MINUTE_US, STORY_DAYS, local_time};
use super::names::{mailbox, name};
use super::rng::{Rng, mix};
use super::tenants::Tenant;

/// One employee. Ids, addresses and devices stay the same all year.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) email: String,
    /// Index into the tenant's roles.
    pub(super) role: usize,
    pub(super) team: &'static str,
    /// First event at or after this.
    pub(super) joined_at_us: i64,
    /// Last event before this; `i64::MAX` while employed.
    pub(super) left_at_us: i64,
    /// At the office and at home.
    pub(super) desks: [Desk; 2],
}

/// Where someone works, and with what.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) ip: String,
    pub(super) user_agent: &'static str,
    /// Empty at the office, whose address says enough.
    pub(super) location: &'static str,
    /// Empty in a browser.
    pub(super) application: &'static str,
}

impl Person {
    pub(super) fn employed(&self, at_us: i64) -> bool {
        self.joined_at_us <= at_us && at_us < self.left_at_us
    }

    /// Came during the year rather than before it.
    pub(super) fn joined_after(&self, begin_us: i64) -> bool {
        self.joined_at_us > begin_us
    }
}

/// And the application, where it is not the browser.
const USER_AGENTS: [(&str, &str); 8] = [
    ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Chrome/142.0.0.0 Safari/537.36", ""),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/142.0.0.0 Safari/537.36", ""),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", ""),
    ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:145.0) Gecko/20100101 Firefox/145.0", ""),
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148", "ios"),
    ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/142.0.0.0 Mobile Safari/537.36", "android"),
    ("Workbench/5.3.1 (macOS 15.6; arm64)", "desktop"),
    ("Workbench/5.3.1 (Windows 11; x64)", "desktop"),
];

const HOME_TOWNS: [&str; 10] = [
    "São Paulo, BR",
    "東京, JP",
    "Łódź, PL",
    "Lagos, NG",
    "Reykjavík, IS",
    "Αθήνα, GR",
    "Đà Nẵng, VN",
    "İzmir, TR",
    "Cusco, PE",
    "Galway, IE",
];

/// Of everyone, how many in a thousand were there before the year began.
const FOUNDERS_PER_MILLE: usize = 620;
/// One of this many leaves during the year.
const LEAVERS_ONE_IN: usize = 23;

/// The tenant's people: its cast first, in order, then `tenant.staff` more.
pub(super) fn staff(tenant: &Tenant, begin_us: i64) -> Vec<Person> {
    let until_us = begin_us + STORY_DAYS * DAY_US;
    let mut rng = Rng::new(tenant.seed);
    let roles_total = tenant.roles.iter().map(|role| role.share).sum();
    let count = tenant.cast.len() + tenant.staff;
    (0..count)
        .map(|index| {
            let name = match tenant.cast.get(index) {
                Some(member) => member.name.to_owned(),
                None => name(tenant.first_name + index - tenant.cast.len()),
            };
            let role = match tenant.cast.get(index) {
                Some(member) => member.role,
                None => rng.weighted(roles_total, tenant.roles.iter().map(|role| role.share)),
            };
            let founder = index < tenant.cast.len() || index * 1000 < count * FOUNDERS_PER_MILLE;
            let joined_at_us = if founder { begin_us } else { first_morning(tenant, begin_us, &mut rng) };
            let leaves = founder && index >= tenant.cast.len() && index % LEAVERS_ONE_IN == 7;
            Person {
                id: format!("usr_{:08x}", mix(tenant.seed ^ index as u64) >> 32),
                email: format!("{}@{}.example", mailbox(&name), tenant.id),
                name,
                role,
                team: rng.pick(tenant.teams),
                joined_at_us,
                left_at_us: if let Some(days) =
                    tenant.cast.get(index).and_then(|member| member.leaves_days_before)
                {
                    until_us - days * DAY_US + 15 * HOUR_US
                } else if leaves {
                    first_morning(tenant, begin_us, &mut rng) + 7 * HOUR_US
                } else {
                    i64::MAX
                },
                desks: desks(tenant, index, &mut rng),
            }
        })
        .collect()
}

fn desks(tenant: &Tenant, index: usize, rng: &mut Rng) -> [Desk; 2] {
    let (office_agent, office_application) = rng.pick(&USER_AGENTS[..4]);
    let (home_agent, home_application) = rng.pick(&USER_AGENTS);
    let home_ip = if rng.chance(420) {
        format!("2001:db8:{:x}:{:x}::{:x}", tenant.network, 0x100 + index, rng.below(0xfff0) + 1)
    } else {
        format!("203.0.113.{}", 1 + rng.below(254))
    };
    [
        Desk {
            // A handful of addresses stand for the whole office, as behind any company's router.
            ip: format!("198.51.100.{}", tenant.network * 16 + 1 + rng.below(4)),
            user_agent: office_agent,
            location: "",
            application: office_application,
        },
        Desk {
            ip: home_ip,
            user_agent: home_agent,
            location: if rng.chance(700) { tenant.city } else { rng.pick(&HOME_TOWNS) },
            application: home_application,
        },
    ]
}

/// Some working day of the year, soon after nine in the morning where the tenant is.
fn first_morning(tenant: &Tenant, begin_us: i64, rng: &mut Rng) -> i64 {
    let days = u32::try_from(STORY_DAYS).expect("a year is short") - 14;
    let mut day_us = begin_us + DAY_US * i64::from(5 + rng.below(days));
    let weekday = local_time(day_us + 12 * HOUR_US, 0).weekday;
    if weekday > 4 {
        day_us += DAY_US * if weekday == 5 { 2 } else { 1 };
    }
    day_us + (9 - tenant.utc_offset_hours) * HOUR_US + i64::from(rng.below(50)) * MINUTE_US
}
