package data

import "fmt"

// Watch is told of work on files that may take long. A nil Watch, and one without functions, is told nothing.
type Watch struct {
	// Say is called with a sentence on what is done.
	Say func(text string)
	// Progress is called now and then, from one goroutine at a time, with how much of a work is done:
	// "reading people.csv", 120 of 800 MB. total is an estimate, or 0 where it is not known.
	Progress func(what, unit string, done, total float64)
}

// Tell says a sentence.
func (w *Watch) Tell(format string, args ...any) {
	if w != nil && w.Say != nil {
		w.Say(fmt.Sprintf(format, args...))
	}
}

// At reports how much of a work is done.
func (w *Watch) At(what, unit string, done, total float64) {
	if w != nil && w.Progress != nil {
		w.Progress(what, unit, done, total)
	}
}
