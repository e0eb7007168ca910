//! Views that people saved under a name: a fold over the records of `_annals`, as the table of keys is.
//!
//! A view is what stands behind the `?` of the viewer's address, looking at one tenant or at all. It belongs to the key that saved
//! it, and goes on with the one that replaces that key; it may be shared with all keys that look at the same.

use std::collections::BTreeMap;

use annals_event::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::control::{Author, Control};
use crate::error::CommitError;
use crate::keys::{KeyId, Keys};
use crate::ledger::Ledger;

/// Most views of one key about one tenant, or about all.
pub const SAVED_VIEWS_MAX: usize = 100;

/// Longest name of a view, bytes.
pub const SAVED_VIEW_NAME_BYTES_MAX: usize = 64;

/// Longest query of a view, bytes.
pub const SAVED_VIEW_QUERY_BYTES_MAX: usize = 4 << 10;

/// All views about one tenant, or about all, with their names, bytes: they are in memory and in every manifest.
pub const SAVED_VIEWS_BYTES_MAX: usize = 1 << 20;

/// What a view takes beside its texts, about.
const VIEW_BYTES: usize = 64;

/// A view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedView {
    /// The tenant that it is about; none where it is about all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Whose it is: a key's public name, or that of somebody who has none.
    pub owner: String,
    /// Its name, which the owner has once.
    pub name: String,
    /// What it shows.
    pub query: String,
    /// All keys that read the tenant see it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
    /// When it was saved, µs since 1970.
    pub saved_at_us: i64,
}

impl SavedView {
    fn bytes(&self) -> usize {
        VIEW_BYTES + self.owner.len() + self.name.len() + self.query.len()
    }
}

/// Why a view is not saved or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// The key has as many as it may have.
    #[error("the key has {SAVED_VIEWS_MAX} views already; remove one of them")]
    TooMany,
    /// Those about the tenant are too much.
    #[error("the tenant's views would have more than {SAVED_VIEWS_BYTES_MAX} bytes; remove some of them")]
    TooMuch,
    /// There is none of this name.
    #[error("there is no view of this name")]
    Missing,
    /// It could not be recorded.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// All of them. By tenant, then owner, then name; those about all tenants come under the empty text, which is no tenant's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<SavedView>", into = "Vec<SavedView>")]
pub(crate) struct SavedViews {
    by_tenant: BTreeMap<String, BTreeMap<(String, String), SavedView>>,
}

impl From<Vec<SavedView>> for SavedViews {
    fn from(views: Vec<SavedView>) -> Self {
        let mut all = Self::default();
        views.into_iter().for_each(|view| all.save(view));
        all
    }
}

impl From<SavedViews> for Vec<SavedView> {
    fn from(views: SavedViews) -> Self {
        views.by_tenant.into_values().flat_map(BTreeMap::into_values).collect()
    }
}

impl SavedViews {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_tenant.is_empty()
    }

    fn of(&self, tenant: Option<&str>) -> impl Iterator<Item = &SavedView> {
        self.by_tenant.get(tenant.unwrap_or_default()).into_iter().flat_map(BTreeMap::values)
    }

    fn get(&self, tenant: Option<&str>, owner: &str, name: &str) -> Option<&SavedView> {
        self.by_tenant.get(tenant.unwrap_or_default())?.get(&(owner.to_owned(), name.to_owned()))
    }

    /// Whether it may be saved, in place of one of the same owner and name where there is one, and of those that are left.
    fn may_save(&self, view: &SavedView, is_left: impl Fn(&SavedView) -> bool) -> Result<(), ViewError> {
        let others = || {
            let all = self.of(view.tenant.as_deref()).filter(|other| !is_left(other));
            all.filter(|other| (&other.owner, &other.name) != (&view.owner, &view.name))
        };
        if others().filter(|other| other.owner == view.owner).count() >= SAVED_VIEWS_MAX {
            return Err(ViewError::TooMany);
        }
        if others().map(SavedView::bytes).sum::<usize>() + view.bytes() > SAVED_VIEWS_BYTES_MAX {
            return Err(ViewError::TooMuch);
        }
        Ok(())
    }

    fn save(&mut self, view: SavedView) {
        let tenant = view.tenant.clone().unwrap_or_default();
        let place = (view.owner.clone(), view.name.clone());
        self.by_tenant.entry(tenant).or_default().insert(place, view);
    }

    pub(crate) fn has(&self, tenant: Option<&str>, owner: &str, name: &str) -> bool {
        self.get(tenant, owner, name).is_some()
    }

    pub(crate) fn remove(&mut self, tenant: Option<&str>, owner: &str, name: &str) {
        let tenant = tenant.unwrap_or_default();
        if let Some(views) = self.by_tenant.get_mut(tenant) {
            views.remove(&(owner.to_owned(), name.to_owned()));
            if views.is_empty() {
                self.by_tenant.remove(tenant);
            }
        }
    }

    /// All views of a tenant go with it.
    pub(crate) fn end_tenant(&mut self, tenant: &str) {
        self.by_tenant.remove(tenant);
    }

    /// What only the key saw that ended goes with it; what it shared stays.
    pub(crate) fn end_key(&mut self, key: &KeyId) {
        for view in self.all_of(key).into_iter().filter(|view| !view.shared) {
            self.remove(view.tenant.as_deref(), &key.0, &view.name);
        }
    }

    /// The views of a key go on with the one that replaces it.
    pub(crate) fn replace_key(&mut self, old: &KeyId, new: &KeyId) {
        for view in self.all_of(old) {
            self.remove(view.tenant.as_deref(), &old.0, &view.name);
            self.save(SavedView { owner: new.0.clone(), ..view });
        }
    }

    /// A key for all tenants has some about each that it looked at.
    fn all_of(&self, key: &KeyId) -> Vec<SavedView> {
        let all = self.by_tenant.values().flat_map(BTreeMap::values);
        all.filter(|view| view.owner == key.0).cloned().collect()
    }
}

impl Keys {
    /// Whether a view may be saved.
    ///
    /// # Errors
    ///
    /// [`ViewError::TooMany`], [`ViewError::TooMuch`].
    pub(crate) fn may_save_view(&self, view: &SavedView, now: Timestamp) -> Result<(), ViewError> {
        self.views.may_save(view, |other| self.is_left(other, now))
    }

    /// Saves a view. Those about the same tenant that are left go, so that it has their room.
    pub(crate) fn save_view(&mut self, view: SavedView, now: Timestamp) {
        let tenant = view.tenant.as_deref();
        let left: Vec<SavedView> =
            self.views.of(tenant).filter(|view| self.is_left(view, now)).cloned().collect();
        for left in left {
            self.views.remove(tenant, &left.owner, &left.name);
        }
        self.views.save(view);
    }

    /// Whether only a key saw the view that has expired since. Of a key that was ended such views went at once.
    fn is_left(&self, view: &SavedView, now: Timestamp) -> bool {
        let owner = KeyId(view.owner.clone());
        !view.shared && self.by_id(&owner).is_some() && self.live(&owner, now).is_none()
    }
}

impl Ledger {
    /// The views that somebody sees among those about a tenant, or about all: his own, then those that others share, each by name.
    /// Or `all`, those too that others have for themselves.
    #[must_use]
    pub fn saved_views(&self, tenant: Option<&TenantId>, owner: &str, all: bool) -> Vec<SavedView> {
        let keys = self.keys();
        let keys = keys.read().expect("no holder of this lock panics");
        let views = keys.views.of(tenant.map(TenantId::as_str));
        let mut seen: Vec<SavedView> =
            views.filter(|view| all || view.shared || view.owner == owner).cloned().collect();
        seen.sort_by(|one, other| {
            let place = |view: &SavedView| (view.owner != owner, view.name.clone(), view.owner.clone());
            place(one).cmp(&place(other))
        });
        seen
    }

    /// A view.
    #[must_use]
    pub fn saved_view(&self, tenant: Option<&TenantId>, owner: &str, name: &str) -> Option<SavedView> {
        let keys = self.keys();
        let keys = keys.read().expect("no holder of this lock panics");
        keys.views.get(tenant.map(TenantId::as_str), owner, name).cloned()
    }

    /// Saves a view, in place of one of the same owner and name.
    ///
    /// # Errors
    ///
    /// [`ViewError`].
    pub async fn save_view(&self, view: SavedView, author: &Author) -> Result<(), ViewError> {
        {
            let keys = self.keys();
            let keys = keys.read().expect("no holder of this lock panics");
            keys.may_save_view(&view, self.clock().now())?;
        }
        let is_saved = self.change(Control::ViewSaved { view }, author).await?;
        // Somebody else saved what there was room for.
        if is_saved { Ok(()) } else { Err(ViewError::TooMuch) }
    }

    /// Removes a view.
    ///
    /// # Errors
    ///
    /// [`ViewError::Missing`], [`ViewError::Commit`].
    pub async fn remove_view(
        &self,
        tenant: Option<&TenantId>,
        owner: &str,
        name: &str,
        author: &Author,
    ) -> Result<(), ViewError> {
        let tenant = tenant.map(|tenant| tenant.as_str().to_owned());
        {
            let keys = self.keys();
            let keys = keys.read().expect("no holder of this lock panics");
            if !keys.views.has(tenant.as_deref(), owner, name) {
                return Err(ViewError::Missing);
            }
        }
        let control = Control::ViewRemoved { tenant, owner: owner.to_owned(), name: name.to_owned() };
        if self.change(control, author).await? { Ok(()) } else { Err(ViewError::Missing) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeyRecord;

    fn view(tenant: Option<&str>, owner: &str, name: &str, shared: bool) -> SavedView {
        SavedView {
            tenant: tenant.map(str::to_owned),
            owner: owner.to_owned(),
            name: name.to_owned(),
            query: "action=a".to_owned(),
            shared,
            saved_at_us: 1,
        }
    }

    fn names(views: &SavedViews, tenant: Option<&str>) -> Vec<(String, String)> {
        views.of(tenant).map(|view| (view.owner.clone(), view.name.clone())).collect()
    }

    #[test]
    fn views_read_back_as_they_were_written() {
        let mut views = SavedViews::default();
        views.save(view(Some("acme"), "key_1", "mine", false));
        views.save(view(None, "key_2", "all", true));
        let written = serde_json::to_string(&views).unwrap();
        assert_eq!(
            written,
            r#"[{"owner":"key_2","name":"all","query":"action=a","shared":true,"saved_at_us":1},{"tenant":"acme","owner":"key_1","name":"mine","query":"action=a","saved_at_us":1}]"#
        );
        assert_eq!(serde_json::from_str::<SavedViews>(&written).unwrap(), views);
        views.remove(None, "key_2", "all");
        views.end_tenant("acme");
        assert!(views.is_empty());
    }

    fn may_save(views: &SavedViews, view: &SavedView) -> Result<(), ViewError> {
        views.may_save(view, |_| false)
    }

    #[test]
    fn a_key_has_so_many_views_and_a_tenant_so_much() {
        let mut views = SavedViews::default();
        for n in 0..SAVED_VIEWS_MAX {
            may_save(&views, &view(None, "key_1", &n.to_string(), false)).unwrap();
            views.save(view(None, "key_1", &n.to_string(), false));
        }
        let more = may_save(&views, &view(None, "key_1", "more", false));
        assert!(matches!(more, Err(ViewError::TooMany)));
        may_save(&views, &view(None, "key_1", "7", true)).unwrap();
        may_save(&views, &view(None, "key_2", "more", false)).unwrap();
        may_save(&views, &view(Some("acme"), "key_1", "more", false)).unwrap();
        let long = |owner: usize, n: usize| SavedView {
            query: "x".repeat(SAVED_VIEW_QUERY_BYTES_MAX),
            ..view(Some("acme"), &format!("key_{owner}"), &n.to_string(), false)
        };
        let mut saved = 0;
        while may_save(&views, &long(saved / 90, saved)).is_ok() {
            views.save(long(saved / 90, saved));
            saved += 1;
        }
        assert!((200..SAVED_VIEWS_BYTES_MAX / SAVED_VIEW_QUERY_BYTES_MAX).contains(&saved), "{saved}");
        assert!(matches!(may_save(&views, &long(saved / 90, saved)), Err(ViewError::TooMuch)));
        may_save(&views, &view(Some("globex"), "key_1", "more", false)).unwrap();
    }

    #[test]
    fn views_go_on_with_the_key_that_replaces_theirs_and_what_is_shared_outlives_it() {
        let key = |name: &str| KeyId(name.to_owned());
        let mut views = SavedViews::default();
        views.save(view(Some("acme"), "key_1", "mine", false));
        views.save(view(Some("acme"), "key_1", "ours", true));
        views.save(view(Some("acme"), "key_9", "theirs", false));
        views.replace_key(&key("key_1"), &key("key_2"));
        let of = |owner: &str, name: &str| (owner.to_owned(), name.to_owned());
        let theirs = of("key_9", "theirs");
        assert_eq!(names(&views, Some("acme")), [of("key_2", "mine"), of("key_2", "ours"), theirs.clone()]);
        views.end_key(&key("key_2"));
        assert_eq!(names(&views, Some("acme")), [of("key_2", "ours"), theirs]);
    }

    #[test]
    fn what_only_a_key_saw_that_expired_makes_room_for_the_next() {
        let at = |second: i64| Timestamp::from_micros(second * 1_000_000).unwrap();
        let mut keys = Keys::default();
        for (n, expires_at_us) in [(1, Some(60_000_000)), (2, None)] {
            let hash = crate::keys::KeySecret::from_random(&[n; 32]).hash();
            let id = KeyId(format!("key_{n}"));
            keys.insert(KeyRecord {
                id,
                hash,
                tenant: Some("acme".to_owned()),
                scopes: Vec::new(),
                dialects: Vec::new(),
                name: None,
                expires_at_us,
                operator: false,
            });
        }
        let long = |owner: &str, n: usize, shared| SavedView {
            query: "x".repeat(SAVED_VIEW_QUERY_BYTES_MAX),
            ..view(Some("acme"), owner, &n.to_string(), shared)
        };
        // The first fill it, some of them with people who have no key, and with what is shared.
        for n in 0..251 {
            let owner = ["key_1", "key_1", "oidc:eva"][n % 3];
            keys.save_view(long(owner, n, n % 3 == 1), at(1));
        }
        keys.save_view(view(Some("globex"), "key_1", "other", false), at(1));
        let next = long("key_2", 0, false);
        assert!(matches!(keys.may_save_view(&next, at(59)), Err(ViewError::TooMuch)));
        keys.may_save_view(&next, at(60)).unwrap();
        keys.save_view(next, at(60));
        let left: Vec<_> =
            keys.views.of(Some("acme")).map(|view| (view.owner.as_str(), view.shared)).collect();
        let count = |owner, shared| left.iter().filter(|one| **one == (owner, shared)).count();
        assert_eq!((count("key_1", false), count("key_1", true)), (0, 84), "what it shared stays");
        assert_eq!((count("oidc:eva", false), count("key_2", false)), (83, 1));
        assert_eq!(keys.views.of(Some("globex")).count(), 1);
    }
}
