package image

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"flowmatch/data/internal/files"
	"flowmatch/internal/choice"
)

// IsShard says whether a file name is that of a tar archive: .tar, .tar.gz or .tgz.
func IsShard(name string) bool {
	return files.Extension(name) == ".tar" || strings.HasSuffix(strings.ToLower(name), ".tgz")
}

// shardsOf returns the shards that a path names: itself, those in the folder, or
// those that match the pattern, sorted.
func shardsOf(where string) (all []string, err error) {
	info, err := os.Stat(where)
	switch {
	case err == nil && !info.IsDir():
		return []string{where}, nil
	case err == nil:
		all, err = matching(where, "*")
	case !strings.ContainsAny(where, "*?["):
		return nil, fmt.Errorf("data: %w", err)
	default:
		dir, base := filepath.Split(where)
		if _, missing := os.Stat(dir); dir == "" || missing == nil {
			all, err = matching(dir, base) // the name of the folder is no pattern, whatever is in it
		} else {
			all, err = filepath.Glob(where)
		}
	}
	if errors.Is(err, filepath.ErrBadPattern) {
		return nil, files.Malformed(where, "%v; want a shard, a folder of shards or a pattern such as DIR/*.tar", err)
	} else if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	all = slices.DeleteFunc(all, func(f string) bool { return !IsShard(f) })
	if len(all) == 0 {
		return nil, files.Malformed(where, "no shards; want .tar, .tar.gz or .tgz")
	}
	return all, nil
}

// matching returns the files of a folder whose names match a pattern, sorted.
func matching(dir, pattern string) (all []string, err error) {
	entries, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		ok, err := filepath.Match(pattern, e.Name())
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, filepath.Join(dir, e.Name()))
		}
	}
	return all, nil
}

// indexShards lists the images of tar files in the order in which they lie. Their
// classes are numbers in .cls or .txt entries of the same stem, or, where there are
// none, the folders within the shards.
func indexShards(where string) (index, error) {
	var x index
	shards, err := shardsOf(where)
	if err != nil {
		return x, err
	}
	labelled := 0
	for _, file := range shards {
		labels, used, from := map[string]int32{}, map[string]bool{}, len(x.entries)
		if err := x.indexShard(file, labels); err != nil {
			return x, err
		}
		for _, e := range x.entries[from:] {
			label, ok := labels[stem(e.name)]
			if !ok {
				label = -1
			} else {
				labelled++
			}
			x.label = append(x.label, label)
			used[stem(e.name)] = true
		}
		for of := range labels {
			if !used[of] {
				x.imageless++
			}
		}
	}
	if len(x.entries) == 0 {
		return x, files.Malformed(where, "no images in %d shards; want entries .png, .jpg or .jpeg%s", len(shards),
			x.but())
	}
	if labelled == 0 {
		x.label = nil
		return x, x.byFolder(where)
	}
	if at := slices.Index(x.label, -1); at >= 0 {
		e := x.entries[at]
		return x, e.broken(fmt.Errorf(
			"no label: want an entry %s.cls with the number of the class, as %d of the %d images have",
			stem(e.name), labelled, len(x.entries)))
	}
	return x, nil
}

// stem is a name without its extension.
func stem(name string) string { return strings.TrimSuffix(name, path.Ext(name)) }

// shard is a tar file open for reading; at returns the offset in the archive.
type shard struct {
	*tar.Reader
	io.Closer
	at     func() (int64, error)
	zipped bool
}

// block is what the parts of a tar file are whole numbers of, in bytes.
const block = 512

// openShard opens a shard. A plain file is read without a buffer, by blocks of 512
// bytes: then its own position is that of the archive, and what is not wanted is
// passed over without reading.
func openShard(path string) (shard, error) {
	f, err := files.OpenFile(path)
	if err != nil {
		return shard{}, err
	}
	var magic [2]byte
	if n, _ := f.ReadAt(magic[:], 0); n < 2 || magic != [2]byte{0x1f, 0x8b} {
		return shard{tar.NewReader(f), f, func() (int64, error) { return f.Seek(0, io.SeekCurrent) }, false}, nil
	}
	f.Close()
	r, err := files.Open(path)
	if err != nil {
		return shard{}, err
	}
	c := &files.Counter{R: r}
	return shard{tar.NewReader(c), r, func() (int64, error) { return c.N, nil }, true}, nil
}

// indexShard appends the images of a shard to x, and sets the labels of stems.
func (x *index) indexShard(file string, labels map[string]int32) error {
	s, err := openShard(file)
	if err != nil {
		return err
	}
	defer s.Close()
	last, end, names := "the beginning", int64(0), map[string]bool{}
	for {
		header, err := s.Next()
		if err != nil && err != io.EOF {
			return files.Malformed(file, "cannot be read as tar after %s: %v; is it truncated?", last, err)
		}
		at, positionErr := s.at()
		if positionErr != nil {
			return files.Malformed(file, "cannot be read: %v", positionErr)
		}
		// A cut between two entries looks like the end, but for the blocks of
		// zeros that the end is marked by.
		if err == io.EOF && at < end+block {
			return files.Malformed(file,
				"ends without the mark of the end of a tar file, after %s; is it truncated?", last)
		}
		if err == io.EOF {
			return nil
		}
		if end = at; header.Typeflag == tar.TypeReg {
			end += (header.Size + block - 1) / block * block
		}
		name := strings.TrimPrefix(path.Clean(header.Name), "/")
		last = "entry " + choice.Cut(name)
		e := member{file, name, at, header.Size, s.zipped}
		if err := x.addEntry(s, e, header.Typeflag, names, labels); err != nil {
			return err
		}
	}
}

// addEntry adds an entry of a shard if it is an image, or its label if it is one. names are
// those of the images and labels before it.
func (x *index) addEntry(s shard, e member, typ byte, names map[string]bool, labels map[string]int32) error {
	kind := byName(e.name)
	switch {
	case typ == tar.TypeDir:
		return nil
	case kind == other:
		x.hidden++
		return nil
	case typ != tar.TypeReg && kind == unknown:
		x.pass(e.name)
		return nil
	case typ != tar.TypeReg:
		return e.broken(errors.New("a link, or no plain file; make the shard of the files themselves"))
	}
	label := false
	if kind == unknown {
		text, err := head(s)
		if err != nil {
			return e.broken(fmt.Errorf("cannot be read: %w; is the shard truncated?", err))
		}
		if label, err = e.label(text, labels); err != nil {
			return e.broken(err)
		}
		kind = byHead(text)
	}
	switch {
	case kind == notRead:
		return e.broken(errFormat(e.name))
	case !label && kind != readable:
		x.pass(e.name)
		return nil
	case names[e.name]:
		return e.broken(errors.New("this entry comes twice; give each image a name of its own"))
	}
	if names[e.name] = true; label {
		return nil
	}
	if err := checkEncoded(e.size); err != nil {
		return e.broken(err)
	}
	x.entries = append(x.entries, e)
	return nil
}

// label sets the label of a stem when the entry of that text is one, and says whether it is:
// a .cls entry must hold a number; a .txt entry may, and is a caption otherwise.
func (e member) label(text []byte, labels map[string]int32) (bool, error) {
	ext := path.Ext(e.name)
	if ext != ".cls" && ext != ".txt" {
		return false, nil
	}
	v, err := strconv.Atoi(strings.TrimSpace(string(text)))
	good := err == nil && v >= 0 && v < files.MaxClasses
	if ext == ".cls" && !good {
		return false, fmt.Errorf("%s is not a class label; want a whole number from 0 to %d",
			choice.Quote(string(text)), files.MaxClasses-1)
	}
	if _, known := labels[stem(e.name)]; good && (ext == ".cls" || !known) { // .cls goes before .txt
		labels[stem(e.name)] = int32(v)
	}
	return good, nil
}
