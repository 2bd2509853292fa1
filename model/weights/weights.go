// Package weights reads the weights that other programs have saved: safetensors, in one
// file or in shards with their index, and the files of PyTorch (.pt, .pth, .ckpt, .bin),
// those of today and those of before version 1.6.
//
// There are only a few types. A [Set] is what some files hold: its groups. A [Group] is a
// dictionary of tensors, such as the ema_model of a checkpoint. A [Tensor] is read from its
// file when its numbers are asked for.
//
// # Caveats
//
// A file of PyTorch is a pickle, which is a program. It is run by a machine that makes lists,
// dictionaries, numbers and tensors, and knows a few names; another name is an error
// ([ErrGlobal]). No code of the file is run, and nothing that it names is looked up.
// A file may lie about its sizes: nothing is made before it is known to be there.
package weights

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"flowmatch/internal/atomicfile"
	"flowmatch/internal/choice"
)

// Set is the tensors of some files. Close it when they are read.
type Set struct {
	Groups  []*Group // in the order in which the files have them
	Bytes   int64    // of all files
	closers []io.Closer
}

// Group is a dictionary of tensors. Key is the way to it in the file, with dots between
// the keys ("ema_model"); empty for what stands at the top.
type Group struct {
	Key     string
	Names   []string // in the order of the file; by name of a safetensors file, which has none
	Ordered bool     // the order is that in which the program saved them
	tensors map[string]*Tensor
}

// Tensor returns the tensor of a name; nil where there is none.
func (g *Group) Tensor(name string) *Tensor { return g.tensors[name] }

func (g *Group) add(t *Tensor) error {
	if _, twice := g.tensors[t.Name]; twice {
		return fmt.Errorf("tensor %s is there twice", choice.Quote(t.Name))
	}
	if g.tensors == nil {
		g.tensors = map[string]*Tensor{}
	}
	g.tensors[t.Name] = t
	g.Names = append(g.Names, t.Name)
	return nil
}

// Close closes the files.
func (s *Set) Close() error {
	var errs []error
	for _, c := range s.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// Open opens the files, which hold parts of one set of weights: shards, or an index of shards
// (model.safetensors.index.json). Errors name the file and what is wrong with it.
func Open(files ...string) (s *Set, err error) {
	s = &Set{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
			s = nil
		}
	}()
	if len(files) == 0 {
		return s, errors.New("weights: no file is given")
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".index.json") {
			err = s.openIndex(file)
		} else {
			err = s.openFile(file)
		}
		if err != nil {
			return s, err
		}
	}
	if !slices.ContainsFunc(s.Groups, func(g *Group) bool { return len(g.Names) > 0 }) {
		return s, fmt.Errorf("weights: %s: it holds no tensors", choice.List(files))
	}
	return s, nil
}

func (s *Set) openFile(file string) error {
	f, err := atomicfile.Open(file)
	if err != nil {
		return fmt.Errorf("weights: %w", err)
	}
	s.closers = append(s.closers, f)
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("weights: %w", err)
	}
	s.Bytes += info.Size()
	groups, err := read(f, info.Size())
	if err == nil {
		err = s.merge(groups)
	}
	if err != nil {
		return fmt.Errorf("weights: %s: %w", file, err)
	}
	return nil
}

// read reads what a file of size bytes holds, by how it begins.
func read(f io.ReaderAt, size int64) ([]*Group, error) {
	head := make([]byte, min(size, 16))
	if _, err := f.ReadAt(head, 0); err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case size == 0:
		return nil, errors.New("it is empty")
	case strings.HasPrefix(string(head), "PK\x03\x04"):
		return readZip(f, size)
	case len(head) > 8 && head[8] == '{' && string(head[5:8]) == "\x00\x00\x00": // no header has a terabyte
		return readSafetensors(f, size)
	case head[0] == 0x80:
		return readLegacy(f, size)
	}
	return nil, errors.New("it is neither a safetensors file nor one that PyTorch saved (.pt, .pth, .ckpt)")
}

// merge adds groups; those of one key are parts of one.
func (s *Set) merge(groups []*Group) error {
	for _, g := range groups {
		k := slices.IndexFunc(s.Groups, func(have *Group) bool { return have.Key == g.Key })
		if k < 0 {
			s.Groups = append(s.Groups, g)
			continue
		}
		s.Groups[k].Ordered = false
		for _, name := range g.Names {
			if err := s.Groups[k].add(g.tensors[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

// openIndex opens the files that an index names, which lie beside it.
func (s *Set) openIndex(file string) error {
	var index struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := readJSON(file, &index); err != nil {
		return err
	}
	var shards []string
	for _, shard := range index.WeightMap {
		if filepath.Base(shard) != shard || shard == "." || shard == ".." {
			return fmt.Errorf("weights: %s: it names %s; the files of an index lie beside it", file,
				choice.Quote(shard))
		}
		shards = append(shards, shard)
	}
	slices.Sort(shards)
	shards = slices.Compact(shards)
	if len(shards) == 0 {
		return fmt.Errorf("weights: %s: it has no weight_map", file)
	}
	for _, shard := range shards {
		path := filepath.Join(filepath.Dir(file), shard)
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("weights: %s: a file that it names is not there: %v", file, err)
		}
		if err := s.openFile(path); err != nil {
			return err
		}
	}
	for name, shard := range index.WeightMap {
		if !slices.ContainsFunc(s.Groups, func(g *Group) bool { return g.tensors[name] != nil }) {
			return fmt.Errorf("weights: %s: tensor %s is not in %s", file, choice.Quote(name), shard)
		}
	}
	return nil
}

// ReadJSON reads a file of JSON, such as the config.json beside weights, into v.
func ReadJSON(file string, v any) error { return readJSON(file, v) }
