package cli

import (
	"fmt"
	"math"
	"strconv"

	"flowmatch/internal/choice"
)

// count is a flag of a number, or of all.
type count int

// allOf is the count of all.
const allOf count = math.MinInt

// all says whether it is that of all.
func (c count) all() bool { return c == allOf }

// String implements pflag.Value; empty: it is not given.
func (c *count) String() string {
	switch *c {
	case 0:
		return ""
	case allOf:
		return "all"
	}
	return strconv.Itoa(int(*c))
}

// Set implements pflag.Value.
func (c *count) Set(text string) error {
	if text == "all" {
		*c = allOf
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("%s is no number of points; want one from 1 on, or all", choice.Quote(text))
	}
	*c = count(n) // which may be too small for the command
	return nil
}

// Type implements pflag.Value.
func (c *count) Type() string { return "number|all" }
