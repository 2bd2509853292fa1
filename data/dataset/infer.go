package dataset

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"flowmatch/data"
	"flowmatch/data/image"
	"flowmatch/data/internal/files"
	"flowmatch/data/internal/npy"
)

// coloursEncoded and mostEncoded are the channels of images that are encoded, and their largest side, where nobody
// says them: those of the usual autoencoders.
const coloursEncoded, mostEncoded = 3, 256

// Infer returns c with what the files themselves say and it does not: the kind of a folder, of
// an NPY array of bytes and of an IDX file of any name; size and channels of the images of a
// folder or of shards, see [image.Survey]. A path that is not absolute is relative to dir.
// Data that are not in files, and files that say nothing, stay as they are.
func (c Config) Infer(dir string) (Config, error) {
	if c.Path == "" || c.Name != "" || c.UCI != "" {
		return c, nil
	}
	path := within(dir, c.Path)
	if c.Kind == "" {
		var err error
		if c.Kind, err = inferKind(path, c.ResolvedKind()); err != nil {
			return c, err
		}
	}
	kind := c.ResolvedKind()
	if kind != data.KindFolder && kind != data.KindShards || c.Size != 0 && c.Channels != 0 {
		return c, nil
	}
	known := image.Options{Size: c.Size, Channels: c.Channels}
	if c.Encoder != "" {
		known.Channels, known.MostSize = cmp.Or(known.Channels, coloursEncoded), mostEncoded
	}
	found, err := image.Survey(path, kind == data.KindShards, known)
	switch {
	case errors.Is(err, fs.ErrNotExist) && c.Size != 0:
		return c, nil // the file may come later, and channels have a default
	case err != nil:
		return c, err
	}
	c.Size, c.Channels = found.Size, found.Channels
	return c, nil
}

// inferKind returns the kind of a file or folder where its name, which says known, does not say
// it all; empty: it is known, or cannot be.
func inferKind(path, known string) (string, error) {
	if files.Extension(path) != ".npy" && known != "" {
		return "", nil
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", fmt.Errorf("data: %w", err)
	case info.IsDir():
		return inferFolder(path)
	}
	f, err := files.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if files.Extension(path) == ".npy" {
		a, err := npy.Header(f, path)
		if err == nil && a.DType[1:] == "u1" && (len(a.Shape) == 3 || len(a.Shape) == 4) {
			return data.KindImages, nil
		}
		return "", nil // a table, or an error of its reader
	}
	var magic [4]byte
	n, err := io.ReadFull(f, magic[:])
	if n == len(magic) && magic[0] == 0 && magic[1] == 0 && magic[2] == 8 && (magic[3] == 3 || magic[3] == 4) {
		return data.KindImages, nil
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return "", err
}

// inferFolder returns the kind of a folder: that of a CIFAR set by the names of its files, of
// shards where one lies in it, else of pictures.
func inferFolder(path string) (string, error) {
	for _, set := range []struct {
		kind    string
		classes int
	}{{data.KindCIFAR10, 10}, {data.KindCIFAR100, 100}} {
		train, test, err := image.CIFARFiles(path, set.classes)
		if err == nil && !slices.ContainsFunc(append(train, test), missingFile) {
			return set.kind, nil
		}
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return "", fmt.Errorf("data: %w", err)
	}
	if slices.ContainsFunc(entries, func(e os.DirEntry) bool { return !e.IsDir() && image.IsShard(e.Name()) }) {
		return data.KindShards, nil
	}
	return data.KindFolder, nil
}

func missingFile(path string) bool {
	_, err := os.Stat(filepath.Clean(path))
	return err != nil
}
