package image

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"
)

// kind is what a file among images is.
type kind int

const (
	unknown  kind = iota // what its first bytes say
	readable             // a PNG or a JPEG
	notRead              // an image of another format
	other                // no image
)

// byName says what a file is by its name. Images of formats that are not read are no less an
// error than broken ones: without it part of a set would be missing and nobody would know.
func byName(name string) kind {
	base := strings.ToLower(path.Base(name))
	if strings.HasPrefix(base, ".") {
		return other
	}
	switch path.Ext(base) {
	case ".png", ".jpg", ".jpeg", ".jfif", ".jpe", ".jif":
		return readable
	case ".gif", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".tga", ".exr", ".ico",
		".psd", ".dng", ".ppm", ".pgm", ".pbm", ".pnm", ".pam", ".pfm":
		return notRead
	}
	return unknown
}

// headBytes is how many bytes tell a format, or hold a label.
const headBytes = 32

// head reads the beginning of a file.
func head(r io.Reader) ([]byte, error) {
	b := make([]byte, headBytes)
	n, err := io.ReadFull(r, b)
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return b[:n], err
}

const (
	pngMagic  = "\x89PNG\r\n\x1a\n"
	jpegMagic = "\xff\xd8\xff"
)

// netpbm is how PBM, PGM and PPM begin.
var netpbm = regexp.MustCompile(`^P[1-6]\s+[0-9#]`)

// byHead says what a file is by its beginning.
func byHead(b []byte) kind {
	switch has := func(magic string) bool { return bytes.HasPrefix(b, []byte(magic)) }; {
	case has(pngMagic), has(jpegMagic):
		return readable
	case has("GIF87a"), has("GIF89a"), has("II*\x00"), has("MM\x00*"), netpbm.Match(b),
		has("RIFF") && bytes.HasPrefix(b[min(8, len(b)):], []byte("WEBP")):
		return notRead
	}
	return other
}

// errFormat is that of an image of a format that is not read.
func errFormat(name string) error {
	format := "another kind"
	if ext := path.Ext(name); byName(name) == notRead {
		format = "format " + strings.ToLower(ext[1:])
	}
	return fmt.Errorf("an image of %s; only PNG and JPEG are read: convert it, or take it away", format)
}
