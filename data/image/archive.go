package image

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"flowmatch/data"
	"flowmatch/data/internal/files"
	"flowmatch/internal/choice"
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
	return choice.Cut(e.name)
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
	passed
}

// indexFolder lists the images below root in the order of their names, with the
// folders that they are in as classes.
func indexFolder(root string) (index, error) {
	var x index
	if err := x.walk(root, "", map[string]string{}); err != nil {
		return x, err
	}
	if len(x.entries) == 0 {
		return x, files.Malformed(root, "no images; want .png, .jpg or .jpeg, in a folder for each class or in none%s",
			x.but())
	}
	return x, x.byFolder(root)
}

// walk lists the images of a folder and of those below it, which name is the path to. Links
// to folders are followed; a folder that is reached twice would count twice, or for ever.
func (x *index) walk(dir, name string, reached map[string]string) error {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	if before, twice := reached[real]; twice {
		return files.Malformed(dir, "is the folder %s once more, by a link: take one of them away", before)
	}
	reached[real] = dir
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	before, empty := len(x.entries), len(x.empty)
	defer func() {
		if len(x.entries) == before { // one name for all that is below
			x.empty = append(x.empty[:empty], name)
		}
	}()
	for _, e := range entries {
		file, name := filepath.Join(dir, e.Name()), path.Join(name, e.Name())
		if strings.HasPrefix(e.Name(), ".") {
			x.hidden++
			continue
		}
		info, err := os.Stat(file) // not e.Info, which is that of a link
		switch {
		case err != nil:
			return fmt.Errorf("data: %w", err)
		case info.IsDir():
			err = x.walk(file, name, reached)
		default:
			err = x.add(file, name, info)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// add adds a file if it is an image.
func (x *index) add(file, name string, info fs.FileInfo) error {
	kind := byName(name)
	if kind == unknown && info.Mode().IsRegular() {
		head, err := headOf(file)
		if err != nil {
			return err
		}
		kind = byHead(head)
	}
	switch err := files.CheckRegular(file, info.Mode()); {
	case kind == notRead:
		return files.Malformed(file, "%v", errFormat(name))
	case kind != readable:
		x.pass(name)
		return nil
	case err != nil:
		return err
	}
	x.entries = append(x.entries, member{file: file, name: name, offset: -1, size: info.Size()})
	return nil
}

// headOf reads the beginning of a file.
func headOf(file string) ([]byte, error) {
	f, err := files.OpenFile(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return head(f)
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
			choice.Cut(x.entries[at].name))
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
