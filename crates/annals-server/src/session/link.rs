//! Links that sign in once: what a terminal shows to somebody who has a key, to open in a browser. They are in memory alone, so that none
//! works twice and none survives the server.

use std::collections::HashMap;
use std::time::Duration;

use super::{Session, Who, random};
use crate::app::App;
use crate::problem::{Code, Problem};

/// How long a link is good.
pub const SIGN_IN_LINK_MAX: Duration = Duration::from_secs(600);

/// Links of one caller that wait to be used; a further one takes the oldest one's place.
const LINKS_OF_ONE_MAX: usize = 16;

/// Links that wait to be used.
const LINKS_MAX: usize = 10_000;

/// Where the viewer takes links' tickets.
const PATH: &str = "/viewer/sign-in?ticket=";

/// By so many links in a row sessions may come of one another: their tickets name all of these.
const ANCESTORS_MAX: usize = 8;

/// Links that wait to be used, by their tickets.
#[derive(Default)]
pub(super) struct Links(HashMap<String, Link>);

struct Link {
    who: Who,
    /// µs since 1970.
    expires_at_us: i64,
    /// The session that made it: what it leads to ends with that. None where a key did.
    parent: Option<Parent>,
}

/// What a session gives to those that its links lead to.
struct Parent {
    /// Its own ancestors, and itself.
    ancestors: Vec<String>,
    /// µs since 1970.
    ends_at_us: i64,
}

impl Links {
    /// False where there is no room.
    fn add(&mut self, ticket: String, link: Link, now_us: i64) -> bool {
        self.0.retain(|_, link| now_us < link.expires_at_us);
        let own = self.0.iter().filter(|(_, other)| other.who == link.who);
        let oldest = own.clone().min_by_key(|(_, link)| link.expires_at_us).map(|(ticket, _)| ticket.clone());
        if own.count() >= LINKS_OF_ONE_MAX
            && let Some(oldest) = oldest
        {
            self.0.remove(&oldest);
        }
        let has_room = self.0.len() < LINKS_MAX;
        if has_room {
            self.0.insert(ticket, link);
        }
        has_room
    }

    fn take(&mut self, ticket: &str, now_us: i64) -> Option<Link> {
        self.0.remove(ticket).filter(|link| now_us < link.expires_at_us)
    }
}

impl App {
    /// Path and query of a link that signs somebody in once, and when it expires (µs since 1970). One that a session made leads to a
    /// session that ends with it.
    pub(crate) fn sign_in_link(&self, who: Who, parent: Option<&Session>) -> Result<(String, i64), Problem> {
        let parent = parent.map(Parent::of).transpose()?;
        let life_us = i64::try_from(SIGN_IN_LINK_MAX.as_micros()).unwrap_or(i64::MAX);
        let now_us = self.ledger.clock().now().as_micros();
        let expires_at_us = now_us.saturating_add(life_us);
        let ticket = random()?;
        let path = format!("{PATH}{ticket}");
        let mut links = self.sessions.links.lock().expect("no holder of this lock panics");
        if !links.add(ticket, Link { who, expires_at_us, parent }, now_us) {
            return Err(Problem::new(
                Code::Busy,
                "too many links wait to be used; try again in some minutes",
            ));
        }
        Ok((path, expires_at_us))
    }

    /// The session that a link's ticket leads to, the first time.
    pub(super) fn use_link(&self, ticket: &str) -> Result<Session, Problem> {
        let now_us = self.ledger.clock().now().as_micros();
        let link = self.sessions.links.lock().expect("no holder of this lock panics").take(ticket, now_us);
        let refused = |detail| Problem::new(Code::Unauthenticated, detail).at("/ticket");
        let link = link.ok_or_else(|| {
            refused(
                "the link was used before, has expired, or is of before the server started; make a new one",
            )
        })?;
        let mut session = self.new_session(link.who)?;
        if let Some(parent) = link.parent {
            session.ends_at_us = session.ends_at_us.min(parent.ends_at_us);
            session.ancestors = parent.ancestors;
        }
        if !self.is_in_time(&session) {
            return Err(refused("the session that made the link has ended; make a new one"));
        }
        Ok(session)
    }
}

impl Parent {
    fn of(session: &Session) -> Result<Self, Problem> {
        if session.ancestors.len() >= ANCESTORS_MAX {
            let detail = "too many links in a row led to this session; sign in with a key, or by the identity provider, to make one";
            return Err(Problem::new(Code::RightsExceeded, detail));
        }
        let ancestors = session.ancestors.iter().chain([&session.id]).cloned().collect();
        Ok(Self { ancestors, ends_at_us: session.ends_at_us })
    }
}

#[cfg(test)]
mod tests {
    use annals_ledger::KeyId;

    use super::*;

    #[test]
    fn links_that_nobody_uses_are_bounded_and_one_key_crowds_out_itself_alone() {
        let mut links = Links::default();
        let add = |links: &mut Links, key: &str, at: usize| {
            let who = Who::Key(KeyId(key.to_owned()));
            let expires_at_us = 1_000_000 + i64::try_from(at).unwrap();
            links.add(format!("{key}-{at}"), Link { who, expires_at_us, parent: None }, 0)
        };
        assert!(add(&mut links, "b", 0));
        assert!((0..=LINKS_OF_ONE_MAX).all(|at| add(&mut links, "a", at)));
        assert!(
            links.take("a-0", 0).is_none()
                && links.take("a-1", 0).is_some()
                && links.take("a-1", 0).is_none()
        );
        assert!(links.take("b-0", 0).is_some());
        let fits = (0..LINKS_MAX).filter(|at| add(&mut links, &format!("k{at}"), 1)).count();
        assert_eq!((fits, links.0.len()), (LINKS_MAX - LINKS_OF_ONE_MAX + 1, LINKS_MAX));
        let late = Link { who: Who::Key(KeyId("late".to_owned())), expires_at_us: 3_000_000, parent: None };
        assert!(links.add("late".to_owned(), late, 2_000_000), "what expired makes room");
        assert!(links.take("late", 3_000_000).is_none());
    }
}
