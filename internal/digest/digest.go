// Package digest names numbers by their SHA-256, so that a file can say which data or
// weights it belongs to: "sha256:" and 64 hexadecimal digits. Numbers are hashed as
// little endian bytes, in the precision that they have.
package digest

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
)

// number is what can be hashed.
type number interface {
	~float64 | ~float32 | ~int32 | ~uint32 | ~int64 | ~uint64 | ~uint8
}

// Of returns the digest of v.
func Of[T number](v []T) string {
	d := New()
	Add(d, v)
	return d.String()
}

// Short returns the first n bytes of the SHA-256 of text, in hexadecimal: a short name for
// it, such as a part of a file's name.
func Short(text string, n int) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:n])
}

// Digest is the running digest of several parts: what [Add], Write and Text got one
// after another. The parts of Add and Write join without a mark between them.
type Digest struct {
	h   hash.Hash
	buf []byte
}

// New returns the digest of nothing yet.
func New() *Digest { return &Digest{h: sha256.New()} }

// Add adds numbers to d.
func Add[T number](d *Digest, v []T) {
	const piece = 4096
	for part := range slices.Chunk(v, piece) {
		// A hash takes all that it is given, and every Number can be encoded.
		d.buf, _ = binary.Append(d.buf[:0], binary.LittleEndian, part)
		d.h.Write(d.buf)
	}
}

// Write adds bytes; it never fails. A Digest is an io.Writer, to copy a file to.
func (d *Digest) Write(p []byte) (int, error) { return d.h.Write(p) }

// Text adds the length of a text and the text, so that texts do not run into each other.
func (d *Digest) Text(s string) {
	Add(d, []uint64{uint64(len(s))})
	Add(d, []byte(s))
}

// Clone returns a digest that goes on from where d is, apart from it.
func (d *Digest) Clone() *Digest {
	h, err := d.h.(hash.Cloner).Clone()
	if err != nil {
		panic(fmt.Sprintf("digest: SHA-256 cannot be cloned: %v", err)) // it can, since Go 1.25
	}
	return &Digest{h: h.(hash.Hash)}
}

// State returns what [Restore] goes on from, fewer than [StateSize] bytes; nil: this SHA-256 does not tell it.
func (d *Digest) State() []byte {
	m, ok := d.h.(encoding.BinaryMarshaler)
	if !ok {
		return nil
	}
	b, err := m.MarshalBinary()
	if err != nil || len(b) >= StateSize {
		return nil
	}
	return b
}

// StateSize bounds the bytes of a State.
const StateSize = 128

// Restore returns the digest of a State; nil and false for what is none.
func Restore(state []byte) (*Digest, bool) {
	d := New()
	m, ok := d.h.(encoding.BinaryUnmarshaler)
	if !ok || m.UnmarshalBinary(state) != nil {
		return nil, false
	}
	return d, true
}

// String returns the digest so far: "sha256:" and hexadecimal digits.
func (d *Digest) String() string { return fmt.Sprintf("sha256:%x", d.h.Sum(nil)) }
