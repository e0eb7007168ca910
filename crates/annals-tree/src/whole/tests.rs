use super::*;
use crate::testing::{leaves, naive_root};

#[test]
fn every_complete_node_is_the_rfc_s_and_no_other_is_there() {
    let all = leaves(1300);
    for size in [0, 1, 2, 3, 255, 256, 257, 511, 512, 1023, 1024, 1300_usize] {
        let mut tree = WholeTree::new();
        tree.extend(all[..size].iter().copied());
        assert_eq!((tree.size(), tree.leaves()), (size as u64, &all[..size]));
        assert_eq!(tree.root(), naive_root(&all[..size]));
        for level in 0..12 {
            let subtrees = all[..size].chunks_exact(1 << level);
            let count = subtrees.len() as u64;
            for (index, subtree) in (0..).zip(subtrees) {
                assert_eq!(tree.node(level, index), Ok(naive_root(subtree)), "{level}/{index} of {size}");
            }
            for index in [count, count + 1, u64::MAX] {
                assert_eq!(tree.node(level, index), Err(NodeMissing { level, index }));
            }
        }
        for level in [48, 63, 64, u32::MAX] {
            assert_eq!(tree.node(level, 0), Err(NodeMissing { level, index: 0 }));
        }
    }
}
