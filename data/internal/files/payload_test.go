package files

import (
	"bytes"
	"io"
	"testing"
)

// A payload is read whole where memory becomes free while it is read.
func TestAPayloadIsReadOnWhereMemoryBecomesFree(t *testing.T) {
	whole := []byte("0123456789")
	got, err := payload(bytes.NewReader(whole), "x", 10, "all", 4)
	if err != nil || !bytes.Equal(got, whole) {
		t.Errorf("got %q, %v; want all of %q", got, err, whole)
	}
	for _, c := range []struct {
		r    io.Reader
		want string
	}{
		{bytes.NewReader(whole[:7]),
			"data: x: truncated: 7 bytes after the header, want 10 for all; copy the file again"},
		{bytes.NewReader(append(whole, 'x')),
			"data: x: more bytes than the 10 of all; the header does not fit the file"},
	} {
		if _, err := payload(c.r, "x", 10, "all", 4); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}
