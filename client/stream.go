package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	events := bufio.NewReader(resp.Body)
	for {
		name, data, err := event(events)
		if err != nil {
			return nil, fmt.Errorf("client: the stream ends before its samples: %w", err)
		}
		switch name {
		case "state":
			var s State
			if err := json.Unmarshal(data, &s); err != nil {
				return nil, fmt.Errorf("client: a state cannot be read: %w", err)
			}
			if err := state(s); err != nil {
				return nil, err
			}
		case "samples":
			s := new(Samples)
			if err := json.Unmarshal(data, s); err != nil {
				return nil, fmt.Errorf("client: the samples cannot be read: %w", err)
			}
			return s, nil
		case "error":
			e := &Error{RequestID: resp.Header.Get("X-Request-Id")}
			var problem struct {
				Status int    `json:"status"`
				Detail string `json:"detail"`
			}
			if err := json.Unmarshal(data, &problem); err != nil {
				return nil, fmt.Errorf("client: an error cannot be read: %w", err)
			}
			e.Status, e.Message = problem.Status, problem.Detail
			return nil, e
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
