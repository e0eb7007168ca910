use proptest::prelude::*;

use super::*;
use crate::testing::{leaves, naive_root};

#[test]
fn a_wrong_leaf_is_named_by_its_tag_and_given_back_by_the_xor() {
    let all = leaves(256);
    let (part, root) = (BlockPart::of(&all), naive_root(&all));
    assert_eq!(part.check_root(&all, &root), Ok(()));
    for index in [0, 1, 128, 255] {
        let mut damaged = all.clone();
        damaged[index].0[0] ^= 1;
        assert_eq!(part.check_root(&damaged, &root), Err(Mismatch::Leaf { index }));
        assert_eq!(part.restore_leaf(index, &damaged), all[index]);
    }
}

#[test]
fn a_wrong_leaf_with_the_right_tag_is_still_found() {
    let all = leaves(256);
    let (part, root) = (BlockPart::of(&all), naive_root(&all));
    let mut damaged = all.clone();
    damaged[7].0[31] ^= 1;
    assert_eq!(part.check(&damaged), Err(Mismatch::Unknown));
    // Two changes that cancel out in the XOR are caught by the root.
    damaged[8].0[31] ^= 1;
    assert_eq!(part.check(&damaged), Ok(()));
    assert_eq!(part.check_root(&damaged, &root), Err(Mismatch::Unknown));
    let count = Mismatch::Count { found: 255, expected: 256 };
    assert_eq!(part.check_root(&all[1..], &root), Err(count));
    let some = BlockPart::of(&all[1..]);
    assert_eq!(some.check_root(&all[1..], &naive_root(&all[1..])), Err(count), "not a whole block");
}

#[test]
fn nodes_of_a_block_are_those_of_the_rfc() {
    let all = leaves(512);
    for level in 0..=8 {
        let width = 1 << level;
        for (index, subtree) in (0..).zip(all.chunks(width)) {
            let start = usize::try_from(index).unwrap() * width / BLOCK_LEAVES * BLOCK_LEAVES;
            let expected = Some(naive_root(subtree));
            assert_eq!(node_in_block(level, index, &all[start..start + BLOCK_LEAVES]), expected);
            // What comes after the node in an open block is not needed, the last leaf of it is.
            let end = (usize::try_from(index).unwrap() + 1) * width;
            assert_eq!(node_in_block(level, index, &all[start..end]), expected);
            assert_eq!(node_in_block(level, index, &all[start..end - 1]), None, "{level}/{index}");
        }
    }
    for level in [9, 63, 64, u32::MAX] {
        assert_eq!(node_in_block(level, 0, &all), None);
    }
    assert_eq!(node_in_block(0, u64::MAX, &all), Some(all[255]));
}

proptest! {
    #[test]
    fn a_block_in_parts_is_the_block(cuts in prop::collection::vec(0_usize..=256, 0..5), wrong in 0_usize..256) {
        let all = leaves(256);
        let mut cuts = [&[0, 256], &cuts[..]].concat();
        cuts.sort_unstable();
        let mut joined = BlockPart::default();
        for pair in cuts.windows(2) {
            let (start, end) = (pair[0], pair[1]);
            let part = BlockPart::of(&all[start..end]);
            prop_assert_eq!(part.check(&all[start..end]), Ok(()));
            // Each part names and restores a leaf of its own.
            if (start..end).contains(&wrong) {
                let mut damaged = all[start..end].to_vec();
                damaged[wrong - start].0[1] ^= 8;
                prop_assert_eq!(part.check(&damaged), Err(Mismatch::Leaf { index: wrong - start }));
                prop_assert_eq!(part.restore_leaf(wrong - start, &damaged), all[wrong]);
            }
            joined.join(&BlockPart::from_stored(part.tags().to_vec(), *part.xor()));
        }
        let mut grown = BlockPart::default();
        all.iter().for_each(|leaf| grown.push(leaf));
        prop_assert_eq!(&joined, &BlockPart::of(&all));
        prop_assert_eq!(&joined, &grown);
        prop_assert_eq!(joined.count(), 256);
        prop_assert_eq!(joined.check_root(&all, &naive_root(&all)), Ok(()));
    }
}
