package run

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"flowmatch/internal/atomicfile"
	"flowmatch/train"
)

// metricsLog appends events to a file of JSON lines.
type metricsLog struct{ f *os.File }

// openMetrics opens the log of a run that goes on from a step: lines of later
// steps, written after the checkpoint that is resumed, are dropped, for those
// steps will be taken again; so is a last line that was cut short.
func openMetrics(file string, from int) (*metricsLog, error) {
	events, err := ReadMetrics(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	events = slices.DeleteFunc(events, func(e train.Event) bool { return e.Step > from })
	if err := writeMetrics(file, events); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	return &metricsLog{f}, nil
}

// writeMetrics writes a whole log.
func writeMetrics(file string, events []train.Event) error {
	var log bytes.Buffer
	for _, e := range events {
		line, err := metricsLine(e)
		if err != nil {
			return err
		}
		log.Write(line)
	}
	return atomicfile.WriteBytes(file, log.Bytes())
}

// metricsLine returns the line of an event, with its end.
func metricsLine(e train.Event) ([]byte, error) {
	line, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	return append(line, '\n'), nil
}

func (m *metricsLog) Append(e train.Event) error {
	line, err := metricsLine(e)
	if err != nil {
		return err
	}
	if _, err := m.f.Write(line); err != nil {
		return fmt.Errorf("run: %w", err)
	}
	return nil
}

// Close closes the file; a second call does nothing.
func (m *metricsLog) Close() error {
	if m == nil || m.f == nil {
		return nil
	}
	err := m.f.Close()
	m.f = nil
	return err
}

// ReadMetrics reads the events of a metrics file. A last line without its end,
// which a killed process may leave, is ignored; any other bad line is an error.
func ReadMetrics(file string) ([]train.Event, error) {
	b, err := atomicfile.Read(file)
	if err != nil {
		return nil, fmt.Errorf("run: %w", err)
	}
	return parseEvents(nil, b[:bytes.LastIndexByte(b, '\n')+1], file)
}

// parseEvents returns the events of the whole lines b of a file behind those of the lines before.
func parseEvents(before []train.Event, b []byte, file string) ([]train.Event, error) {
	if len(before) == 0 {
		b = bytes.TrimPrefix(b, []byte("\ufeff")) // which some editors put in front
	}
	events, sc := before, bufio.NewScanner(bytes.NewReader(b))
	for sc.Scan() {
		var e train.Event
		if err := json.Unmarshal(sc.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("run: %s, line %d: %w", file, len(events)+1, err)
		}
		events = append(events, e)
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("run: %s, line %d: %w", file, len(events)+1, err)
	}
	return events, nil
}
