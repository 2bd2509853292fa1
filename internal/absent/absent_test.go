package absent

import "testing"

type number int

func TestIs(t *testing.T) {
	var pointer *number
	var function func()
	var table map[string]int
	there := number(0)
	for name, c := range map[string]struct {
		v    any
		want bool
	}{
		"nil": {nil, true}, "a nil pointer": {pointer, true}, "a nil function": {function, true},
		"a nil map": {table, true}, "a pointer": {&there, false}, "a zero": {there, false},
		"an empty struct": {struct{}{}, false}, "an empty slice": {[]int{}, false}, "a nil slice": {[]int(nil), true},
	} {
		if got := Is(c.v); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}
