// Verify checks logs that annals published, with Go's own transparency log packages.
//
// It shares no code with annals: golang.org/x/mod checks the signatures, the tiles and the proofs. What it expects to
// find in a case folder, and what it prints, is in ../README.md.
package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// tileHeight is the height of C2SP tiles: 256 hashes wide.
const tileHeight = 8

const tileWidth = 1 << tileHeight

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: verify CASE...")
		os.Exit(2)
	}
	failed := false
	for _, dir := range os.Args[1:] {
		summary, err := verifyCase(dir)
		if err != nil {
			failed = true
			fmt.Printf("rejected\t%s\t%s\n", dir, strings.ReplaceAll(err.Error(), "\n", " "))
			continue
		}
		fmt.Printf("ok\t%s\t%s\n", dir, summary)
	}
	if failed {
		os.Exit(1)
	}
}

// verifyCase checks everything in one case folder and says what it found there.
func verifyCase(dir string) (string, error) {
	keyText, err := os.ReadFile(filepath.Join(dir, "vkey"))
	if err != nil {
		return "", err
	}
	key, err := note.NewVerifier(strings.TrimSpace(string(keyText)))
	if err != nil {
		return "", fmt.Errorf("vkey: %w", err)
	}
	log := folder(filepath.Join(dir, "log"))
	head, err := readCheckpoint(filepath.Join(string(log), "checkpoint"), key)
	if err != nil {
		return "", err
	}
	leaves, err := verifyEntries(log, head.Tree)
	if err != nil {
		return "", err
	}
	index, err := verifyEventProof(dir, head, key, leaves)
	if err != nil {
		return "", err
	}
	older, err := verifyConsistency(dir, head, key)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("size=%d older=%d proof=%d", head.N, older, index), nil
}

// checkpoint is what a checkpoint's signed text says.
type checkpoint struct {
	origin string
	tlog.Tree
}

func readCheckpoint(path string, key note.Verifier) (checkpoint, error) {
	message, err := os.ReadFile(path)
	if err != nil {
		return checkpoint{}, err
	}
	head, err := openCheckpoint(message, key)
	if err != nil {
		return checkpoint{}, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return head, nil
}

func openCheckpoint(message []byte, key note.Verifier) (checkpoint, error) {
	opened, err := note.Open(message, note.VerifierList(key))
	if err != nil {
		return checkpoint{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return checkpoint{}, errors.New("a checkpoint has three lines")
	}
	if lines[0] != key.Name() {
		return checkpoint{}, fmt.Errorf("origin %q is not the key's name", lines[0])
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return checkpoint{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return checkpoint{}, err
	}
	return checkpoint{lines[0], tlog.Tree{N: size, Hash: root}}, nil
}

// verifyEntries checks every entry bundle against the hash tiles, and these against the root.
// It returns the leaf hash of each position.
func verifyEntries(log folder, tree tlog.Tree) ([]tlog.Hash, error) {
	// The reader hands out no hash that does not lead to the root.
	authenticated := tlog.TileHashReader(tree, log)
	leaves := make([]tlog.Hash, 0, tree.N)
	for first := int64(0); first < tree.N; first += tileWidth {
		width := min(tree.N-first, tileWidth)
		bundle := tlog.Tile{H: tileHeight, L: -1, N: first / tileWidth, W: int(width)}
		entries, err := log.readTile(bundle)
		if err != nil {
			return nil, err
		}
		stored := make([]int64, width)
		for i := range stored {
			stored[i] = tlog.StoredHashIndex(0, first+int64(i))
		}
		hashes, err := authenticated.ReadHashes(stored)
		if err != nil {
			return nil, err
		}
		for i, want := range hashes {
			entry, rest, err := cutEntry(entries)
			if err != nil {
				return nil, fmt.Errorf("position %d: %w", first+int64(i), err)
			}
			if tlog.RecordHash(entry) != want {
				return nil, fmt.Errorf("position %d: the entry does not hash to its leaf", first+int64(i))
			}
			entries = rest
		}
		if len(entries) != 0 {
			return nil, fmt.Errorf("%s: bytes follow the last entry", tilePath(bundle))
		}
		leaves = append(leaves, hashes...)
	}
	return leaves, nil
}

// cutEntry takes the first entry, which its length precedes, off a bundle.
func cutEntry(bundle []byte) (entry, rest []byte, err error) {
	if len(bundle) < 2 {
		return nil, nil, errors.New("the bundle ends early")
	}
	end := 2 + (int(bundle[0])<<8 | int(bundle[1]))
	if len(bundle) < end {
		return nil, nil, errors.New("the bundle ends early")
	}
	return bundle[2:end], bundle[end:], nil
}

// verifyEventProof checks the .tlog-proof of one event, and that the event is the entry at its place.
func verifyEventProof(dir string, head checkpoint, key note.Verifier, leaves []tlog.Hash) (int64, error) {
	text, err := os.ReadFile(filepath.Join(dir, "event.tlog-proof"))
	if err != nil {
		return 0, err
	}
	lines, message, found := strings.Cut(string(text), "\n\n")
	if !found {
		return 0, errors.New("event.tlog-proof: no checkpoint")
	}
	rest, found := strings.CutPrefix(lines, "c2sp.org/tlog-proof@v1\nindex ")
	if !found {
		return 0, errors.New("event.tlog-proof: not a proof of version 1")
	}
	number, hashes, _ := strings.Cut(rest, "\n")
	index, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("event.tlog-proof: %w", err)
	}
	var proof tlog.RecordProof
	for _, line := range strings.Fields(hashes) {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return 0, fmt.Errorf("event.tlog-proof: %w", err)
		}
		proof = append(proof, hash)
	}
	proven, err := openCheckpoint([]byte(message), key)
	if err != nil {
		return 0, fmt.Errorf("event.tlog-proof: %w", err)
	}
	if proven.N != head.N || proven.Hash != head.Hash {
		return 0, errors.New("event.tlog-proof: its checkpoint is another than the log's")
	}
	if index < 0 || index >= head.N {
		return 0, fmt.Errorf("event.tlog-proof: index %d is not in the log", index)
	}
	if err := tlog.CheckRecord(proof, proven.N, proven.Hash, index, leaves[index]); err != nil {
		return 0, fmt.Errorf("event.tlog-proof: %w", err)
	}
	return index, nil
}

// verifyConsistency checks that the log extends its older checkpoint, if the case has one; it returns that one's size.
func verifyConsistency(dir string, head checkpoint, key note.Verifier) (int64, error) {
	older, err := readCheckpoint(filepath.Join(dir, "older-checkpoint"), key)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "consistency.json"))
	if err != nil {
		return 0, err
	}
	var answer struct{ Hashes []string }
	if err := json.Unmarshal(text, &answer); err != nil {
		return 0, fmt.Errorf("consistency.json: %w", err)
	}
	var proof tlog.TreeProof
	for _, digits := range answer.Hashes {
		var hash tlog.Hash
		if n, err := hex.Decode(hash[:], []byte(digits)); err != nil || n != len(hash) {
			return 0, fmt.Errorf("consistency.json: %q is not a hash", digits)
		}
		proof = append(proof, hash)
	}
	if err := tlog.CheckTree(proof, head.N, head.Hash, older.N, older.Hash); err != nil {
		return 0, fmt.Errorf("consistency.json: %w", err)
	}
	return older.N, nil
}

// folder is a published log; it reads tiles for x/mod.
type folder string

func (log folder) Height() int { return tileHeight }

func (log folder) SaveTiles([]tlog.Tile, [][]byte) {}

func (log folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		data, err := log.readTile(tile)
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (log folder) readTile(tile tlog.Tile) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(log), tilePath(tile)))
}

// tilePath is a tile's path by C2SP: as in the checksum database, without the height, and with another name for entries.
func tilePath(tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", tileHeight))
	if number, found := strings.CutPrefix(path, "data/"); found {
		path = "entries/" + number
	}
	return "tile/" + path
}
