package data

import (
	"errors"
	"fmt"
)

// ErrNoLabels is returned when labels are asked of a set that has none;
// ErrNoContext likewise for contexts.
var (
	ErrNoLabels  = errors.New("data: this set has no class labels")
	ErrNoContext = errors.New("data: this set has no contexts")
)

// FileError is a file that cannot be used: which, where in it, and what is wrong
// together with what would be right. Errors of the readers in the rooms below are of
// this type, but for those of the operating system.
type FileError struct {
	Path    string
	Where   string // as a reader would look it up: `line 3, column "y"`; may be empty
	Problem string
	Gap     bool   // a number of a table is missing or not finite
	Missing string // the column of a table that is asked for and not there; empty: it is another problem
}

// Error returns "data: path: where: problem".
func (e *FileError) Error() string {
	if e.Where == "" {
		return fmt.Sprintf("data: %s: %s", e.Path, e.Problem)
	}
	return fmt.Sprintf("data: %s: %s: %s", e.Path, e.Where, e.Problem)
}

// IsMissing says whether err is that of a table without the column, which has a name.
func IsMissing(err error, column string) bool {
	fault, ok := errors.AsType[*FileError](err)
	return ok && column != "" && fault.Missing == column
}

// IsGap says whether err is that of a number of a table that is missing or not finite.
func IsGap(err error) bool {
	fault, ok := errors.AsType[*FileError](err)
	return ok && fault.Gap
}
