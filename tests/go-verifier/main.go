// A verifier of Countersign logs that shares no code with Countersign: only Go's own sumdb packages.
//
//	verifier DIR VKEY [RECEIPT]
//
// DIR holds `checkpoint` and `tile/`, in the layout of C2SP tlog-tiles. Every entry is checked against the signed
// root, then the step from half the size to the whole, then the receipt (C2SP tlog-proof) when one is given.
package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8 // 256 hashes a tile

// logDir reads tiles from a directory; sumdb calls a tile `tile/8/L/N`, tlog-tiles calls it `tile/L/N`.
type logDir string

func (d logDir) Height() int { return height }

func (d logDir) SaveTiles([]tlog.Tile, [][]byte) {}

func (d logDir) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	all := make([][]byte, len(tiles))
	for i, t := range tiles {
		data, err := os.ReadFile(filepath.Join(string(d), strings.Replace(t.Path(), "tile/8/", "tile/", 1)))
		if err != nil {
			return nil, err
		}
		if len(data) != t.W*tlog.HashSize {
			return nil, fmt.Errorf("%s holds %d bytes", t.Path(), len(data))
		}
		all[i] = data
	}
	return all, nil
}

// bundle returns the entries start..start+width.
func (d logDir) bundle(start int64, width int) ([][]byte, error) {
	t := tlog.Tile{H: height, L: -1, N: start >> height, W: width}
	data, err := os.ReadFile(filepath.Join(string(d), strings.Replace(t.Path(), "tile/8/data/", "tile/entries/", 1)))
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for len(data) > 0 {
		if len(data) < 2 || len(data) < 2+(int(data[0])<<8|int(data[1])) {
			return nil, fmt.Errorf("the bundle of entry %d is cut short", start)
		}
		n := int(data[0])<<8 | int(data[1])
		entries, data = append(entries, data[2:2+n]), data[2+n:]
	}
	if len(entries) != width {
		return nil, fmt.Errorf("the bundle of entry %d holds %d entries, not %d", start, len(entries), width)
	}
	return entries, nil
}

// openCheckpoint verifies the signature and reads the three lines.
func openCheckpoint(msg []byte, key note.Verifier) (tlog.Tree, error) {
	n, err := note.Open(msg, note.VerifierList(key))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 || lines[0] != key.Name() {
		return tlog.Tree{}, errors.New("not a checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

func checkLog(dir logDir, key note.Verifier) (tlog.Tree, error) {
	msg, err := os.ReadFile(filepath.Join(string(dir), "checkpoint"))
	if err != nil {
		return tlog.Tree{}, err
	}
	tree, err := openCheckpoint(msg, key)
	if err != nil {
		return tree, err
	}
	if tree.N == 0 { // sumdb gives the empty tree another root than RFC 6962 does
		if tree.Hash != sha256.Sum256(nil) {
			return tree, errors.New("the empty log has a wrong root")
		}
		return tree, nil
	}
	hashes := tlog.TileHashReader(tree, dir)
	root, err := tlog.TreeHash(tree.N, hashes)
	if err != nil {
		return tree, err
	}
	if root != tree.Hash {
		return tree, errors.New("the tiles have another root than the checkpoint")
	}
	for start := int64(0); start < tree.N; start += 1 << height {
		width := 1 << height
		if tree.N-start < int64(width) {
			width = int(tree.N - start)
		}
		entries, err := dir.bundle(start, width)
		if err != nil {
			return tree, err
		}
		// The reader authenticates what it gives against the root, so this is every entry's proof in one.
		indexes := make([]int64, width)
		for i := range indexes {
			indexes[i] = tlog.StoredHashIndex(0, start+int64(i))
		}
		leaves, err := hashes.ReadHashes(indexes)
		if err != nil {
			return tree, err
		}
		for i, entry := range entries {
			if leaves[i] != tlog.RecordHash(entry) {
				return tree, fmt.Errorf("entry %d is not the one in the tree", start+int64(i))
			}
		}
		// The same once more for the last entry of the bundle, by the proof that a receipt carries.
		index := start + int64(width) - 1
		proof, err := tlog.ProveRecord(tree.N, index, hashes)
		if err != nil {
			return tree, err
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entries[width-1])); err != nil {
			return tree, fmt.Errorf("entry %d: %v", index, err)
		}
	}
	if half := tree.N / 2; half > 0 {
		old, err := tlog.TreeHash(half, hashes)
		if err != nil {
			return tree, err
		}
		proof, err := tlog.ProveTree(tree.N, half, hashes)
		if err != nil {
			return tree, err
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, half, old); err != nil {
			return tree, fmt.Errorf("from %d to %d: %v", half, tree.N, err)
		}
	}
	return tree, nil
}

// checkReceipt verifies a tlog-proof for the entry of that index in the log.
func checkReceipt(dir logDir, size int64, key note.Verifier, text []byte) error {
	head, checkpoint, ok := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !ok || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "index ") {
		return errors.New("not a tlog-proof")
	}
	index, err := strconv.ParseInt(lines[1][len("index "):], 10, 64)
	if err != nil {
		return err
	}
	var proof tlog.RecordProof
	for _, line := range lines[2:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		proof = append(proof, hash)
	}
	tree, err := openCheckpoint(checkpoint, key)
	if err != nil {
		return err
	}
	if index < 0 || index >= size || index >= tree.N {
		return errors.New("the entry lies outside the log")
	}
	start, width := index>>height<<height, 1<<height
	if size-start < int64(width) {
		width = int(size - start)
	}
	entries, err := dir.bundle(start, width)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entries[index-start]))
}

func run(args []string) error {
	if len(args) < 3 || len(args) > 4 {
		return errors.New("usage: verifier DIR VKEY [RECEIPT]")
	}
	dir := logDir(args[1])
	key, err := note.NewVerifier(args[2])
	if err != nil {
		return err
	}
	tree, err := checkLog(dir, key)
	if err != nil {
		return err
	}
	if len(args) == 4 {
		text, err := os.ReadFile(args[3])
		if err != nil {
			return err
		}
		if err := checkReceipt(dir, tree.N, key, text); err != nil {
			return fmt.Errorf("receipt: %v", err)
		}
	}
	fmt.Printf("ok size=%d root=%v\n", tree.N, tree.Hash)
	return nil
}

func main() {
	if err := run(os.Args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
