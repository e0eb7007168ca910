//! How long commitments, leaves, proofs and signatures take here.
//!
//! ```text
//! cargo run --release -p annals-tree --example tree_speed
//! ```

#![expect(clippy::print_stdout, reason = "its output is the point")]
#![expect(clippy::disallowed_methods, reason = "measures time")]

use std::hint::black_box;
use std::time::Instant;

use annals_tree::entry::encode_event;
use annals_tree::note::SigningKey;
use annals_tree::proof::{verify_consistency, verify_inclusion};
use annals_tree::{
    Committer, Counter, Frontier, Hash, SecretRoot, Tree, consistency, inclusion, leaf_hash, root_at,
};

/// The best of five runs, as anything else on the machine only adds.
fn measure(what: &str, times: u64, mut run: impl FnMut(u64)) {
    let best = (0..5)
        .map(|_| {
            let start = Instant::now();
            (0..times).for_each(&mut run);
            start.elapsed()
        })
        .min()
        .expect("five runs");
    let each = best.as_secs_f64() / f64::from(u32::try_from(times).expect("few"));
    println!("{what:<48} {:>9.3} µs {:>12.0}/s", each * 1e6, 1.0 / each);
}

fn main() {
    let units: Vec<(String, String)> =
        (0..20).map(|number| (format!("/metadata/m{number:02}"), format!("\"{:027}\"", number))).collect();
    let bytes: usize = units.iter().map(|(name, value)| name.len() + value.len()).sum();
    let root = SecretRoot::from_bytes([7; 32]);
    let secret = root.secret(Counter::MAX);

    measure("4,096 secrets of a root, in order", 20, |_| {
        root.secrets(Counter::default()).for_each(|secret| drop(black_box(secret)));
    });
    let mut committer = Committer::new(&secret);
    measure(&format!("commitment, 20 units, {bytes} B"), 50_000, |_| {
        committer.reset(&secret);
        for (name, value) in &units {
            committer.unit(name.as_bytes(), value.as_bytes()).expect("short names");
        }
        let _commitment = black_box(committer.finish());
    });

    let commitment = committer.finish();
    let mut frontier = Frontier::new();
    measure("entry, leaf and push to a frontier", 500_000, |number| {
        frontier.push(leaf_hash(&encode_event(1, number, &commitment)), &mut |_, _, _| ());
    });
    let leaf = leaf_hash(&encode_event(1, 1, &commitment));
    let mut frontier = Frontier::new();
    measure("push to a frontier alone", 500_000, |_| frontier.push(leaf, &mut |_, _, _| ()));

    let size = 1_000_100;
    let leaves: Vec<Hash> =
        (0..size).map(|number| leaf_hash(&encode_event(1, number, &commitment))).collect();
    let mut tree = Tree::new();
    tree.extend(leaves);
    let root = tree.root();
    measure("root", 100_000, |_| {
        let _root = black_box(tree.root());
    });
    let pick = |number: u64| number * 7919 % size;
    measure("inclusion proof, leaves at hand", 5_000, |number| {
        let _proof = black_box(inclusion(pick(number), size, &tree));
    });
    measure("consistency proof, leaves at hand", 5_000, |number| {
        let _proof = black_box(consistency(pick(number), size, &tree));
    });
    let proof = inclusion(700_001, size, &tree).expect("in the tree");
    measure("verify inclusion", 50_000, |_| {
        verify_inclusion(&tree.leaves()[700_001], 700_001, size, black_box(&proof), &root).expect("holds");
    });
    let proof = consistency(700_001, size, &tree).expect("in the tree");
    let from_root = root_at(700_001, &tree).expect("in the tree");
    measure("verify consistency", 50_000, |_| {
        verify_consistency(700_001, &from_root, size, &root, black_box(&proof)).expect("holds");
    });

    let key = SigningKey::from_seed("annals.example/t/1", &[3; 32]).expect("a key name");
    let text = format!("annals.example/t/1\n{size}\n{}\n", root.to_base64());
    measure("sign a checkpoint", 2_000, |_| {
        let _note = black_box(key.sign(&text));
    });
    let (note, verifier) = (key.sign(&text).expect("a text"), key.verifier_key());
    measure("verify a checkpoint", 2_000, |_| {
        let _note = black_box(annals_tree::note::Note::open(&note, &verifier).expect("signed"));
    });
}
