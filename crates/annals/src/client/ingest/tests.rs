use std::time::Duration;

use proptest::prelude::*;

use super::*;

#[test]
fn pauses_grow_to_their_longest_and_jitter_takes_off_up_to_half() {
    let longest: Vec<u128> = (0..8).map(|tries| pause(tries, u8::MAX).as_millis()).collect();
    assert_eq!(longest, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    assert_eq!(pause(0, 0), Duration::from_millis(50));
    assert_eq!(pause(u32::MAX, u8::MAX), PAUSE_MAX);
}

#[test]
fn an_event_is_one_line_whatever_is_in_it() {
    let events = ["{\"a\":\n1}", "", " \n", "{\"b\":\"x\ny\"}"];
    assert_eq!(lines(&events), b"{\"a\":\r1}\nnull\nnull\n{\"b\":\"x\ry\"}\n");
}

#[test]
fn a_request_stays_below_the_limits_and_a_giant_has_its_own() {
    let sizes = |events: &[Vec<u8>]| parts(events).map(|part| part.len()).collect::<Vec<_>>();
    assert_eq!(sizes(&[]), Vec::<usize>::new());
    assert_eq!(sizes(&vec![vec![0; 10]; BATCH_EVENTS_MAX + 1]), [BATCH_EVENTS_MAX, 1]);
    let (giant, small) = (vec![0; BATCH_BYTES_MAX], vec![0; 10]);
    assert_eq!(sizes(&[small.clone(), giant, small.clone(), small]), [1, 1, 2]);
}

proptest! {
    #[test]
    fn every_event_is_in_one_request_in_its_order(
        sizes in proptest::collection::vec(0_usize..(BATCH_BYTES_MAX / 3), 0..20),
    ) {
        let events: Vec<Vec<u8>> = sizes.iter().map(|size| vec![0; *size]).collect();
        let parts: Vec<_> = parts(&events).collect();
        let together: Vec<usize> = parts.iter().cloned().flatten().collect();
        prop_assert_eq!(together, (0..events.len()).collect::<Vec<_>>());
        for part in parts {
            let bytes: usize = sizes[part.clone()].iter().map(|size| size + 1).sum();
            prop_assert!(part.len() == 1 || bytes <= BATCH_BYTES_MAX);
        }
    }
}
