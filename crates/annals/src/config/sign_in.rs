//! Settings about people with browsers.

use std::time::Duration;

use super::{Values, quantity};
use crate::exit::Failure;

impl Values<'_> {
    /// How long a session of the viewer lasts.
    pub(super) fn session_max(&self) -> Result<Duration, Failure> {
        self.required("viewer.session", |text| {
            let life = quantity::duration(text)?;
            let fits = (Duration::from_mins(5)..=Duration::from_hours(24 * 30)).contains(&life);
            fits.then_some(life).ok_or("must be between 5m and 30d")
        })
    }
}
