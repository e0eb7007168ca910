//! Against Cloudflare's ports of Go's `tlog` and `note`.

use annals_tree::hash::{Hash, leaf_hash};
use annals_tree::nodes::{Nodes, consistency, inclusion, root_at, stored_node_number};
use annals_tree::note::{Note, SigningKey, VerifierKey};
use annals_tree::proof::{verify_consistency, verify_inclusion};
use annals_tree::tile::{hash_tile, hash_tiles};
use annals_tree::tree::Tree;
use proptest::prelude::*;
use signed_note::{Signer as _, StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::{HashReader, Tile as TheirTile, tlog};

/// Their storage: every node at its stored index.
struct Theirs(Vec<tlog::Hash>);

impl HashReader for Theirs {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
        Ok(indexes.iter().map(|index| self.0[usize::try_from(*index).unwrap()]).collect())
    }
}

/// Our answers out of their storage.
impl Nodes for Theirs {
    type Error = tlog::Error;

    fn node(&self, level: u32, index: u64) -> Result<Hash, tlog::Error> {
        let index = tlog::stored_hash_index(u8::try_from(level).unwrap(), index);
        Ok(Hash(self.read_hashes(&[index])?[0].0))
    }
}

fn both(size: u64) -> (Tree, Theirs) {
    let (mut tree, mut nodes) = (Tree::new(), Theirs(Vec::new()));
    for number in 0..size {
        let entry = number.to_be_bytes();
        tree.push(leaf_hash(&entry));
        let added = tlog::stored_hashes(number, &entry, &nodes).unwrap();
        nodes.0.extend(added);
    }
    (tree, nodes)
}

fn ours(hashes: &[tlog::Hash]) -> Vec<Hash> {
    hashes.iter().map(|hash| Hash(hash.0)).collect()
}

fn theirs(hashes: &[Hash]) -> Vec<tlog::Hash> {
    hashes.iter().map(|hash| tlog::Hash(hash.0)).collect()
}

#[test]
fn roots_and_proofs_agree_with_tlog_tiles() {
    let (tree, nodes) = both(1100);
    for size in [1, 2, 3, 255, 256, 257, 511, 512, 513, 1000, 1024, 1100] {
        let root = root_at(size, &tree).unwrap();
        assert_eq!(root.0, tlog::tree_hash(size, &nodes).unwrap().0, "root of {size}");
        assert_eq!(root_at(size, &nodes).unwrap(), root);
        for position in [0, 1, size / 3, size / 2, size - 1] {
            let Some(leaf) =
                tree.leaves()[..usize::try_from(size).unwrap()].get(usize::try_from(position).unwrap())
            else {
                continue;
            };
            let proof = inclusion(position, size, &tree).unwrap();
            assert_eq!(proof, ours(&tlog::prove_record(size, position, &nodes).unwrap()));
            assert_eq!(inclusion(position, size, &nodes).unwrap(), proof);
            tlog::check_record(&theirs(&proof), size, tlog::Hash(root.0), position, tlog::Hash(leaf.0))
                .unwrap();
            assert_eq!(verify_inclusion(leaf, position, size, &proof, &root), Ok(()));

            let from = position + 1;
            let proof = consistency(from, size, &tree).unwrap();
            assert_eq!(proof, ours(&tlog::prove_tree(size, from, &nodes).unwrap()), "{from} to {size}");
            assert_eq!(consistency(from, size, &nodes).unwrap(), proof);
            let from_root = root_at(from, &tree).unwrap();
            let (their_root, their_from) = (tlog::Hash(root.0), tlog::Hash(from_root.0));
            tlog::check_tree(&theirs(&proof), size, their_root, from, their_from).unwrap();
            assert_eq!(verify_consistency(from, &from_root, size, &root, &proof), Ok(()));
        }
    }
}

#[test]
fn tiles_agree_with_tlog_tiles() {
    let size = 70_000;
    let (tree, nodes) = both(size);
    let mut expected: Vec<TheirTile> = TheirTile::new_tiles(8, 0, size);
    // Theirs are listed level by level too, but hold each partial tile in place of a full one.
    expected.sort_by_key(|tile| (tile.level(), tile.level_index()));
    let tiles: Vec<_> = hash_tiles(size).collect();
    assert_eq!(tiles.len(), expected.len());
    for (tile, expected) in tiles.iter().zip(&expected) {
        // Their paths have the tile's height in them, as Go's checksum database has.
        assert_eq!(tile.to_string(), expected.path().replacen("tile/8/", "tile/", 1));
        let bytes = expected.read_data(&nodes).unwrap();
        assert_eq!(hash_tile(tile, size, &tree).unwrap(), bytes);
        assert_eq!(hash_tile(tile, size, &nodes).unwrap(), bytes);
    }
}

#[test]
fn stored_nodes_are_numbered_as_tlog_tiles_numbers_a_tree_whose_leaves_are_blocks() {
    for level in 0..=40_u8 {
        let last = (1_u64 << (40 - level)) - 1;
        for index in [0, 1, 2, 3, 999, last / 3, last / 2, last.saturating_sub(1), last] {
            if index <= last {
                let ours = stored_node_number(u32::from(level) + 8, index);
                assert_eq!(ours, tlog::stored_hash_index(level, index), "node {index} of level {level}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn answers_from_nodes_agree_with_tlog_tiles(size in 1_u64..6000, picks in prop::collection::vec(any::<u64>(), 20)) {
        let (_, nodes) = both(size);
        for pick in picks {
            let to = 1 + pick % size;
            let from = 1 + (pick >> 20) % to;
            prop_assert_eq!(root_at(to, &nodes).unwrap().0, tlog::tree_hash(to, &nodes).unwrap().0);
            let path = inclusion(from - 1, to, &nodes).unwrap();
            prop_assert_eq!(path, ours(&tlog::prove_record(to, from - 1, &nodes).unwrap()));
            let proof = consistency(from, to, &nodes).unwrap();
            prop_assert_eq!(proof, ours(&tlog::prove_tree(to, from, &nodes).unwrap()));
        }
    }
}

#[test]
fn notes_agree_with_signed_note() {
    let key = SigningKey::from_seed("annals.example/t/1", &[9; 32]).unwrap();
    let their_signer = StandardSigner::new(&key.to_text()).unwrap();
    let their_verifier = StandardVerifier::new(&key.verifier_key().to_string()).unwrap();
    assert_eq!(their_signer.key_id(), key.verifier_key().id());

    let text = "annals.example/t/1\n7\nAAAA\n";
    let note = key.sign(text).unwrap();
    let mut their_note = signed_note::Note::new(text.as_bytes(), &[]).unwrap();
    their_note.add_sigs(&[&their_signer]).unwrap();
    assert_eq!(their_note.to_bytes(), note.as_bytes());

    let read = signed_note::Note::from_bytes(note.as_bytes()).unwrap();
    let (verified, _) = read.verify(&VerifierList::new(vec![Box::new(their_verifier)])).unwrap();
    assert_eq!(verified.len(), 1);
}

#[test]
fn keys_they_write_are_keys_we_read() {
    let secret = ed25519_dalek::SigningKey::from_bytes(&[8; 32]);
    let key = VerifierKey::new("example.com/log", secret.verifying_key().as_bytes()).unwrap();
    let text = key.to_string();
    assert!(StandardVerifier::new(&text).is_ok());
    assert!(Note::parse("text\n\n— example.com/log AAAAAAEC\n").is_ok());
}
