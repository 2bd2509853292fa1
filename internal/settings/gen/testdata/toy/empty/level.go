// Package empty has fields without a comment.
package empty

// Level reads itself.
type Level struct{ Number int }

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Level) UnmarshalText(text []byte) error { l.Number = len(text); return nil }

// Config has fields that say nothing.
type Config struct {
	Said   int // something
	Unsaid int
	Sub    struct {
		Unsaid int `yaml:"un_said"`
	} // a section
}

// Broken has a field of a type that is not there.
type Broken struct {
	A Missing // a
}
