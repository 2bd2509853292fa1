package files

import (
	"slices"
	"testing"
)

func TestNamesAreOrderedByTheNumbersInThem(t *testing.T) {
	want := []string{"", "0", "00", "2", "010", "10", "a", "a2b", "a10b", "b1", "b1c"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, Natural)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
