package eval

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestWhatCannotBeStoppedIsNotWaitedFor(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	began, goOn := make(chan bool), make(chan bool)
	defer close(goOn)
	go func() {
		<-began
		cancel()
	}()
	v, err := until(ctx, func() (int, error) {
		close(began)
		<-goOn
		return 1, nil
	})
	if v != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("got %d, %v; want that the context was cancelled", v, err)
	}
	if v, err := until(t.Context(), func() (int, error) { return 1, nil }); v != 1 || err != nil {
		t.Errorf("got %d, %v; want 1 of what ends by itself", v, err)
	}
	if _, err := until(ctx, func() (int, error) { panic("nothing begins after the end") }); !errors.Is(err,
		context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// Each part of an evaluation ends soon after its context, wherever it is then.
func TestPartsEndWithTheirContext(t *testing.T) {
	s := typed(t, mixed(t, 12000), 6000)
	s.Settings.Samples, s.Settings.Test = 6000, 6000
	ended := 0
	for _, part := range Parts() {
		if part == PartFeatures || part == PartCalibration {
			continue // of images, and of contexts
		}
		for _, after := range []time.Duration{100 * time.Millisecond, 400 * time.Millisecond} {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			begin := time.Now()
			_, err := s.Report(ctx, part)
			cancel()
			if err != nil {
				ended++
			}
			took := time.Since(begin)
			if took > after+2*time.Second || err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v after %v; want that it ended with its context, soon after %v", part, err, took, after)
			}
		}
	}
	if ended < len(Parts()) {
		t.Errorf("%d parts ended with their context: the others were too quick to say anything", ended)
	}
}
