package image

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"flowmatch/data"
	"flowmatch/data/internal/files"
)

// member is where one encoded image is found.
type member struct {
	file         string // the image itself, or the shard that holds it
	name         string // below the folder, or within the shard; with slashes
	offset, size int64  // within the shard, decompressed, in bytes; offset -1: the whole file
	zipped       bool   // the shard is compressed: no way to offset but from the start
}

// where is where a reader finds e in its file, for messages.
func (e member) where() string {
	if e.offset < 0 {
		return ""
	}
	return e.name
}

// broken makes the error of an image that cannot be used.
func (e member) broken(problem error) error {
	return &data.FileError{Path: e.file, Where: e.where(), Problem: problem.Error()}
}

// index is a list of images with their classes.
type index struct {
	entries []member
	label   []int32  // nil: none
	names   []string // of the classes; nil where labels were numbers
}

// isImage says whether a name is that of an image that can be read; hidden files
// are not. Images of formats that are not read are an error: without one, part of
// a set would be missing and nobody would know.
func isImage(name string) (bool, error) {
	base := strings.ToLower(path.Base(name))
	if strings.HasPrefix(base, ".") {
		return false, nil
	}
	switch ext := path.Ext(base); ext {
	case ".png", ".jpg", ".jpeg":
		return true, nil
	case ".gif", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".avif", ".ppm":
		return false, fmt.Errorf("an image of format %s; only PNG and JPEG are read: convert it, or take it away",
			ext[1:])
	}
	return false, nil
}

// indexFolder lists the images below root in the order of their names, with the
// folders that they are in as classes. Links to folders are not followed.
func indexFolder(root string) (index, error) {
	var x index
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return x, fmt.Errorf("data: %w", err)
	}
	err = filepath.WalkDir(real, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("data: %w", err)
		case d.IsDir() && file != real && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		ok, err := isImage(d.Name())
		if err != nil {
			return files.Malformed(file, "%v", err)
		}
		if ok {
			name, err := filepath.Rel(real, file)
			if err != nil {
				return fmt.Errorf("data: %w", err)
			}
			info, err := os.Stat(file) // not d.Info, which says how long a link is
			if err != nil {
				return fmt.Errorf("data: %w", err)
			}
			x.entries = append(x.entries,
				member{file: file, name: filepath.ToSlash(name), offset: -1, size: info.Size()})
		}
		return nil
	})
	if err != nil {
		return x, err
	}
	if len(x.entries) == 0 {
		return x, files.Malformed(root, "no images; want .png, .jpg or .jpeg, in a folder for each class or in none")
	}
	return x, x.byFolder(root)
}

// IsShard says whether a file name is that of a tar archive: .tar, .tar.gz or .tgz.
func IsShard(name string) bool {
	return files.Extension(name) == ".tar" || strings.HasSuffix(strings.ToLower(name), ".tgz")
}

// shardsOf returns the shards that a path names: itself, those in the folder, or
// those that match the pattern, sorted.
func shardsOf(where string) ([]string, error) {
	info, err := os.Stat(where)
	switch {
	case err == nil && !info.IsDir():
		return []string{where}, nil
	case err == nil:
		// A folder with [ in its name is no pattern, but then its shards can be named.
		where = filepath.Join(where, "*")
	case !strings.ContainsAny(where, "*?["):
		return nil, fmt.Errorf("data: %w", err)
	}
	all, err := filepath.Glob(where)
	if err != nil {
		return nil, files.Malformed(where, "%v; want a shard, a folder of shards or a pattern such as DIR/*.tar", err)
	}
	all = slices.DeleteFunc(all, func(f string) bool { return !IsShard(f) })
	if len(all) == 0 {
		return nil, files.Malformed(where, "no shards; want .tar, .tar.gz or .tgz")
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
		labels, from := map[string]int32{}, len(x.entries)
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
		}
	}
	if len(x.entries) == 0 {
		return x, files.Malformed(where, "no images in %d shards; want entries .png, .jpg or .jpeg", len(shards))
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

// counter counts the bytes read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// openShard opens a shard. A plain file is read without a buffer, by blocks of 512
// bytes: then its own position is that of the archive, and what is not wanted is
// passed over without reading.
func openShard(path string) (shard, error) {
	f, err := os.Open(path)
	if err != nil {
		return shard{}, fmt.Errorf("data: %w", err)
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
	c := &counter{r: r}
	return shard{tar.NewReader(c), r, func() (int64, error) { return c.n, nil }, true}, nil
}

// indexShard appends the images of a shard to x, and sets the labels of stems.
func (x *index) indexShard(file string, labels map[string]int32) error {
	s, err := openShard(file)
	if err != nil {
		return err
	}
	defer s.Close()
	last, end := "the beginning", int64(0)
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
		end = at
		if header.Typeflag != tar.TypeReg {
			continue
		}
		end += (header.Size + block - 1) / block * block
		name := strings.TrimPrefix(path.Clean(header.Name), "/")
		last = "entry " + name
		ok, err := isImage(name)
		if err != nil {
			return files.MalformedAt(file, name, "%s", err)
		}
		if ok {
			x.entries = append(x.entries, member{file, name, at, header.Size, s.zipped})
			continue
		}
		if err := readLabel(s, file, name, labels); err != nil {
			return err
		}
	}
}

// readLabel sets the label of a stem when the entry is one: a .cls entry must hold
// a number; a .txt entry may, and is a caption otherwise, which is passed over.
func readLabel(r io.Reader, file, name string, labels map[string]int32) error {
	ext := path.Ext(name)
	if ext != ".cls" && ext != ".txt" || strings.HasPrefix(path.Base(name), ".") {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(r, 32))
	if err != nil {
		return files.MalformedAt(file, name, "cannot be read: %v; is the shard truncated?", err)
	}
	v, err := strconv.Atoi(strings.TrimSpace(string(text)))
	good := err == nil && v >= 0 && v < files.MaxClasses
	_, known := labels[stem(name)]
	switch {
	case ext == ".cls" && !good:
		return files.MalformedAt(file, name,
			"%q is not a class label; want a whole number from 0 to %d", text, files.MaxClasses-1)
	case good && (ext == ".cls" || !known): // .cls goes before .txt
		labels[stem(name)] = int32(v)
	}
	return nil
}

// nameClasses leaves the classes that images are of: labels 1, 2 and 7 are three classes.
func (x *index) nameClasses() {
	label, numbers := data.NumberClasses(x.label)
	if numbers == nil {
		return
	}
	names := numbers
	if places, _ := data.ClassNumbers(numbers); x.names != nil {
		names = make([]string, len(places))
		for k, p := range places {
			names[k] = x.names[p]
		}
	}
	x.label, x.names = label, names
}

// byFolder makes classes of the folders that the images are in, in the natural order of
// their names: 2 comes before 10. Folders that all images share do not count. Where all images
// are in one folder there are no classes.
func (x *index) byFolder(where string) error {
	names := make([]string, len(x.entries))
	for i, e := range x.entries {
		names[i] = e.name
	}
	for {
		first, _, ok := strings.Cut(names[0], "/")
		if !ok || slices.ContainsFunc(names, func(n string) bool { return !strings.HasPrefix(n, first+"/") }) {
			break
		}
		for i := range names {
			names[i] = names[i][len(first)+1:]
		}
	}
	number := map[string]int32{}
	for i := range names {
		folder, _, ok := strings.Cut(names[i], "/")
		if !ok {
			folder = ""
		}
		names[i], number[folder] = folder, 0
	}
	if len(number) == 1 {
		return nil
	}
	if _, ok := number[""]; ok {
		at := slices.Index(names, "")
		return files.Malformed(where,
			"%s lies beside the folders of the classes; want every image in a folder of its class, or none",
			x.entries[at].name)
	}
	for folder := range number {
		x.names = append(x.names, folder)
	}
	slices.SortFunc(x.names, files.Natural)
	if len(x.names) > files.MaxClasses {
		return files.Malformed(where, "%d folders are too many for classes; want at most %d", len(x.names),
			files.MaxClasses)
	}
	for k, folder := range x.names {
		number[folder] = int32(k)
	}
	for _, folder := range names {
		x.label = append(x.label, number[folder])
	}
	return nil
}
