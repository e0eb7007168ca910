//! Trees in memory, whole and with one thing changed.

use std::collections::BTreeMap;

use annals_tree::Tree;
use annals_tree::entry::encode_event;
use annals_tree::tile::{encode_bundle, hash_tile, hash_tiles};

use super::*;

/// A published tree: path to bytes.
struct Shelf(BTreeMap<String, Vec<u8>>);

impl TileSource for Shelf {
    async fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.0.get(&tile.to_string()).cloned())
    }
}

fn entry(number: u64) -> [u8; 44] {
    encode_event(0, 1_700_000_000_000 + number, &leaf_hash(&number.to_be_bytes()))
}

fn tree(size: u64) -> Tree {
    let mut tree = Tree::new();
    tree.extend((0..size).map(|number| leaf_hash(&entry(number))));
    tree
}

fn shelf(size: u64) -> (Shelf, Hash) {
    let tree = tree(size);
    let mut files = BTreeMap::new();
    for tile in hash_tiles(size) {
        files.insert(tile.to_string(), hash_tile(&tile, size, &tree).unwrap());
    }
    for bundle in bundles(size) {
        let entries = (bundle.first()..).take(usize::from(bundle.width())).map(entry);
        files.insert(bundle.to_string(), encode_bundle(entries).unwrap());
    }
    (Shelf(files), tree.root())
}

fn walk_all(shelf: &Shelf, size: u64, earlier: Option<u64>) -> (Walked, Vec<String>) {
    let mut findings = Vec::new();
    let mut checked = 0;
    let watch = Watch {
        checked: &mut |more| checked += more,
        found: &mut |finding| findings.push(finding.to_string()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let walked = runtime.block_on(walk(shelf, size, earlier, watch)).unwrap();
    if findings.is_empty() {
        assert_eq!(checked, size);
    }
    (walked, findings)
}

const SIZES: [u64; 9] = [0, 1, 2, 255, 256, 257, 65_535, 65_536, 66_100];

#[test]
fn a_whole_tree_gives_its_root_and_those_of_earlier_sizes() {
    for size in SIZES {
        let (shelf, root) = shelf(size);
        for earlier in SIZES {
            let (walked, findings) = walk_all(&shelf, size, Some(earlier));
            assert_eq!((walked.root, findings), (root, Vec::new()), "size {size}");
            let expected = (earlier <= size).then(|| tree(earlier).root());
            assert_eq!(walked.earlier_root, expected, "size {size}, earlier {earlier}");
            if size > 1000 && earlier > 300 {
                break;
            }
        }
    }
}

#[test]
fn partial_tiles_that_are_gone_are_read_from_the_fuller_ones() {
    let (mut shelf, _) = shelf(66_100);
    let root = tree(65_600).root();
    shelf.0.retain(|path, _| !path.contains(".p/"));
    // The open tiles of the longer tree are gone too, so only what is complete there can stand in.
    let (walked, findings) = walk_all(&shelf, 65_536 + 256, None);
    assert_eq!(walked.root, tree(65_792).root());
    assert_eq!(findings, ["`tile/1/001.p/1`: is missing", "`tile/2/000.p/1`: is missing"]);
    let (walked, _) = walk_all(&shelf, 65_600, None);
    assert_eq!(walked.root, root);
}

#[test]
fn one_flipped_bit_anywhere_is_found_where_it_is() {
    let (whole, root) = shelf(66_100);
    let mut checked = 0;
    for (path, bytes) in &whole.0 {
        // Every class of file, and a few of each.
        let is_of_many = path.starts_with("tile/0/") || path.starts_with("tile/entries/");
        if is_of_many && !(path.ends_with("/000") || path.ends_with("/131") || path.contains(".p/")) {
            continue;
        }
        for at in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            let mut shelf = Shelf(whole.0.clone());
            shelf.0.get_mut(path).unwrap()[at] ^= 1;
            let (walked, findings) = walk_all(&shelf, 66_100, None);
            assert!(!findings.is_empty() && walked.findings > 0, "{path} byte {at}");
            assert!(
                findings.iter().any(|finding| finding.contains(path.as_str())),
                "{path} byte {at}: {findings:?}"
            );
            if path.starts_with("tile/entries/") {
                assert_eq!(walked.root, root, "the tree above shows that the entry is what changed");
            }
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked}");
}

#[test]
fn a_changed_entry_is_named_by_its_position() {
    let (mut shelf, _) = shelf(700);
    let bundle = shelf.0.get_mut("tile/entries/001").unwrap();
    // Entry 300 is the 45th of its bundle; the byte is in its commitment.
    bundle[46 * 44 + 2 + 20] ^= 0x80;
    let (_, findings) = walk_all(&shelf, 700, None);
    assert_eq!(
        findings,
        ["`tile/entries/001`: position 300: the entry does not hash to leaf 44 of `tile/0/001`"]
    );
}
