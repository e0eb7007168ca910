use alloc::string::{String, ToString as _};

use super::*;
use crate::testing::{leaves, naive_root, text_mutations, tree_of};

fn paths(size: u64) -> Vec<String> {
    hash_tiles(size).map(|tile| tile.to_string()).collect()
}

#[test]
fn the_specification_s_examples_come_out() {
    let tile = Tile::new(TileKind::Hashes(0), 1_234_067, 256).unwrap();
    assert_eq!(tile.to_string(), "tile/0/x001/x234/067");
    // A tree of 70,000: 273 full level 0 tiles, one of width 112, and so on.
    let tiles: Vec<Tile> = hash_tiles(70_000).collect();
    let count = |level, partial| {
        tiles
            .iter()
            .filter(|tile| tile.kind() == TileKind::Hashes(level) && tile.is_partial() == partial)
            .count()
    };
    assert_eq!((count(0, false), count(0, true), count(1, false)), (273, 1, 1));
    let partial: Vec<String> = tiles.iter().filter(|tile| tile.is_partial()).map(Tile::to_string).collect();
    assert_eq!(partial, ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]);
    assert_eq!(paths(256), ["tile/0/000", "tile/1/000.p/1"]);
}

#[test]
fn small_trees_have_few_tiles() {
    assert_eq!(paths(0), [""; 0]);
    assert_eq!(paths(1), ["tile/0/000.p/1"]);
    assert_eq!(paths(257), ["tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1"]);
    assert_eq!(
        bundles(257).map(|tile| tile.to_string()).collect::<Vec<_>>(),
        ["tile/entries/000", "tile/entries/001.p/1"]
    );
}

#[test]
fn the_largest_tree_has_tiles_up_to_its_level() {
    assert_eq!(hash_tiles(u64::MAX).next().unwrap().to_string(), "tile/0/000");
    let top = tiles_of(TileKind::Hashes(7), u64::MAX >> 56).last().unwrap();
    assert_eq!(top.to_string(), "tile/7/000.p/255");
}

#[test]
fn each_tile_has_one_path() {
    for kind in [TileKind::Hashes(0), TileKind::Hashes(63), TileKind::Entries] {
        for index in [0, 1, 999, 1000, 123_456_789, u64::MAX] {
            for width in [1, 255, 256] {
                let tile = Tile::new(kind, index, width).unwrap();
                let path = tile.to_string();
                assert_eq!(path.parse(), Ok(tile));
                for changed in text_mutations(&path) {
                    if let Ok(read) = changed.parse::<Tile>() {
                        assert_eq!(read.to_string(), changed);
                    }
                }
            }
        }
    }
    for wrong in [
        "tile/64/000",
        "tile/00/000",
        "tile/0/0",
        "tile/0/x000/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/data/000",
        "tile/0/001/000",
    ] {
        assert_eq!(wrong.parse::<Tile>(), Err(ParseTileError), "{wrong}");
    }
    assert_eq!(Tile::new(TileKind::Hashes(64), 0, 1), None);
    assert_eq!(Tile::new(TileKind::Entries, 0, 0), None);
    assert_eq!(Tile::new(TileKind::Entries, 0, 257), None);
}

/// Reads every tile of the tree at `size` and rebuilds each level from the one below.
fn check_tiles(size: u64, tree_size: u64) {
    let leaves = leaves(tree_size);
    let tree = tree_of(&leaves);
    for tile in hash_tiles(size) {
        let hashes = decode_tile(&hash_tile(&tile, tree_size, &tree).unwrap(), tile.width()).unwrap();
        let TileKind::Hashes(level) = tile.kind() else { unreachable!() };
        let spanned = 256_u64.pow(u32::from(level));
        for (hash, number) in hashes.iter().zip(tile.first()..) {
            let from = usize::try_from(number * spanned).unwrap();
            let to = usize::try_from((number + 1) * spanned).unwrap();
            assert_eq!(*hash, naive_root(&leaves[from..to]), "hash {number} of level {level}");
        }
    }
}

#[test]
fn tiles_hold_the_hashes_of_their_level() {
    for size in [1, 2, 255, 256, 257, 1000] {
        check_tiles(size, size);
        check_tiles(size, 1000);
    }
}

#[test]
fn tiles_of_two_levels_up_hold_the_roots_of_65_536() {
    check_tiles(65_537, 65_800);
}

#[test]
fn what_the_tree_does_not_have_yet_is_no_tile() {
    let tree = tree_of(&leaves(300));
    for (kind, index, width) in [
        (TileKind::Hashes(0), 1, 45),
        (TileKind::Hashes(0), 1, 256),
        (TileKind::Hashes(0), u64::MAX, 256),
        (TileKind::Hashes(1), 0, 2),
        (TileKind::Hashes(63), 0, 1),
        (TileKind::Entries, 0, 1),
    ] {
        let tile = Tile::new(kind, index, width).unwrap();
        assert!(matches!(hash_tile(&tile, 300, &tree), Err(TreeError::Beyond { .. })), "{tile}");
    }
}

#[test]
fn bundles_read_back_and_changed_ones_do_not_panic() {
    let entries = [&b"first"[..], b"", b"third"];
    let bytes = encode_bundle(entries).unwrap();
    assert_eq!(decode_bundle(&bytes, 3).unwrap(), entries);
    assert_eq!(decode_bundle(&bytes, 2), Err(TileError::Count { entries: 3, width: 2 }));
    for changed in crate::testing::mutations(&bytes) {
        if let Ok(read) = decode_bundle(&changed, 3) {
            assert_eq!(encode_bundle(read).unwrap(), changed);
        }
    }
    let longest = alloc::vec![0; 65_535];
    assert!(encode_bundle([&longest]).is_ok());
    assert_eq!(encode_bundle([[&longest[..], &[0]].concat()]), Err(TileError::EntryBytes(65_536)));
    assert_eq!(decode_tile(&[0; 65], 2), Err(TileError::Length(65)));
}
