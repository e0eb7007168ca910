//! The stories worth finding; [`STORIES`](super::notes::STORIES) tells what each is about. Hours count back from `until`.

mod ledgerly;
mod mosaic_health;
mod northwind_video;

use super::calendar::{DAY_US, HOUR_US, MINUTE_US, SECOND_US};
use super::event::{Actor, Changes, Context, Event, Outcome, Target};
use super::people::Person;
use super::scene::{BeatSource, Scene};

pub(super) fn tell(scene: &mut Scene) {
    northwind_video::off_boarded_admin(scene);
    northwind_video::leaked_key(scene);
    ledgerly::password_spraying(scene);
    ledgerly::approved_by_the_requester(scene);
    mosaic_health::broken_glass(scene);
    mosaic_health::retention_cut_short(scene);
}

/// The instant `hour:minute` UTC of the day that begins `days` days before `until`.
fn clock(scene: &Scene, days: i64, hour: i64, minute: i64) -> i64 {
    scene.until_us - days * DAY_US + hour * HOUR_US + minute * MINUTE_US
}

/// One of the tenant's people by name.
fn member<'a>(people: &'a [Person], name: &str) -> &'a Person {
    people.iter().find(|person| person.name == name).expect("the stories' people are in their tenant's cast")
}
