package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Stream draws samples and calls state with the points at each of the times of the request, in order. It
// ends early with an error of state, and at the service with ctx.
func (c *Client) Stream(ctx context.Context, model string, r StreamRequest, state func(State) error) (*Samples, error) {
	resp, err := c.send(ctx, model, "stream", r, Events)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() // which ends the solve where it is not read to its end
	var samples *Samples
	err = readEvents(resp, func(name string, data []byte) (bool, error) {
		switch name {
		case "state":
			var s State
			if err := json.Unmarshal(data, &s); err != nil {
				return false, fmt.Errorf("client: a state cannot be read: %w", err)
			}
			return false, state(s)
		case "samples":
			samples = new(Samples)
			if err := json.Unmarshal(data, samples); err != nil {
				return false, fmt.Errorf("client: the samples cannot be read: %w", err)
			}
			return true, nil
		}
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	return samples, nil
}

// readEvents calls each with the events of an answer until it says that one is the last, or returns an error.
// An event called error is one.
func readEvents(resp *http.Response, each func(name string, data []byte) (last bool, err error)) error {
	events := bufio.NewReader(resp.Body)
	for {
		name, data, err := event(events)
		if err != nil {
			return fmt.Errorf("client: the stream ends before its last event: %w", err)
		}
		if name == "error" {
			e := &Error{RequestID: resp.Header.Get("X-Request-Id")}
			var problem struct {
				Status int    `json:"status"`
				Detail string `json:"detail"`
			}
			if err := json.Unmarshal(data, &problem); err != nil {
				return fmt.Errorf("client: an error cannot be read: %w", err)
			}
			e.Status, e.Message = problem.Status, problem.Detail
			return e
		}
		if last, err := each(name, data); last || err != nil {
			return err
		}
	}
}

// event reads the next server-sent event.
func event(r *bufio.Reader) (name string, data []byte, err error) {
	for {
		line, err := r.ReadString('\n')
		switch {
		case errors.Is(err, io.EOF):
			return "", nil, io.ErrUnexpectedEOF
		case err != nil:
			return "", nil, err
		}
		line = strings.TrimRight(line, "\r\n")
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case line == "" && (name != "" || data != nil):
			return name, data, nil
		case field == "event":
			name = value
		case field == "data":
			data = append(data, value...)
		}
	}
}
