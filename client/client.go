package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Client asks a service. Its methods may be called at the same time.
type Client struct {
	URL   string       // of the service, such as http://127.0.0.1:8080
	Token string       // a bearer token; empty: none
	HTTP  *http.Client // nil: http.DefaultClient. Contexts bound the time of a request.
	// Tries is how often a request is sent that the service has no room for (status 429 or 503), at most;
	// 0: 5.
	Tries int
}

// ErrBusy is what an [Error] is where the service had no room for the request, as often as it was sent.
var ErrBusy = errors.New("client: the service is busy")

// ErrNoModel is what an [Error] is where the service has no such model.
var ErrNoModel = errors.New("client: the service has no such model")

// Error is the answer of a service to what it does not do.
type Error struct {
	Status  int      // of HTTP, such as 422
	Message string   // what is wrong, and what would be right
	Details []string // of fields of the request, one each
	// RequestID is under what the log of the service has the request.
	RequestID string
}

// Error returns what the service says.
func (e *Error) Error() string {
	text := cmp.Or(e.Message, http.StatusText(e.Status))
	if len(e.Details) > 0 {
		text += ": " + strings.Join(e.Details, "; ")
	}
	return fmt.Sprintf("client: the service answers %d: %s", e.Status, text)
}

// Is says whether e is [ErrBusy] or [ErrNoModel].
func (e *Error) Is(target error) bool {
	busy := e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable
	return busy && target == ErrBusy || e.Status == http.StatusNotFound && target == ErrNoModel
}

// Models returns the models of the service.
func (c *Client) Models(ctx context.Context) ([]Model, error) {
	var all []Model
	return all, c.get(ctx, "/v1/models", &all)
}

// Model returns what a model is and takes.
func (c *Client) Model(ctx context.Context, name string) (*Model, error) {
	m := new(Model)
	return m, c.get(ctx, modelPath(name), m)
}

// Sample draws samples.
func (c *Client) Sample(ctx context.Context, model string, r SampleRequest) (*Samples, error) {
	s := new(Samples)
	return s, c.post(ctx, model, "sample", r, s)
}

// LogP evaluates log-densities.
func (c *Client) LogP(ctx context.Context, model string, r LogPRequest) (*LogP, error) {
	l := new(LogP)
	return l, c.post(ctx, model, "logp", r, l)
}

// Bound bounds the log-probabilities of sequences of a model of tokens.
func (c *Client) Bound(ctx context.Context, model string, r BoundRequest) (*Bound, error) {
	out := new(Bound)
	return out, c.post(ctx, model, "bound", r, out)
}

// Impute fills in the missing values of rows.
func (c *Client) Impute(ctx context.Context, model string, r ImputeRequest) (*Imputed, error) {
	i := new(Imputed)
	return i, c.post(ctx, model, "impute", r, i)
}

// File is samples in a format other than JSON.
type File struct {
	Type     string // of content
	Body     []byte
	Step     int
	Seed     *uint64 // of the noise; nil where the request has the noise
	Solver   string
	Warnings []string
}

// SampleFile draws samples as a file of a type: CSV, NPY, NPZ or PNG, of sequences of tokens Plain or NPY.
func (c *Client) SampleFile(ctx context.Context, model string, r SampleRequest, as string) (*File, error) {
	resp, err := c.send(ctx, model, "sample", r, as)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	f := &File{Type: resp.Header.Get("Content-Type"), Solver: resp.Header.Get(HeadSolver),
		Warnings: resp.Header.Values(HeadWarning)}
	if f.Step, err = strconv.Atoi(resp.Header.Get(HeadStep)); err != nil {
		return nil, fmt.Errorf("client: the answer has no step of training (%s): is it one of flowmatch?", HeadStep)
	}
	if r.Noise == nil {
		seed, err := strconv.ParseUint(resp.Header.Get(HeadSeed), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("client: the answer has no seed (%s): is it one of flowmatch?", HeadSeed)
		}
		f.Seed = &seed
	}
	if f.Body, err = io.ReadAll(resp.Body); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	return f, nil
}

// modelPath is the path of a model, or of something of it.
func modelPath(name string, what ...string) string {
	return strings.Join(append([]string{"/v1/models", url.PathEscape(name)}, what...), "/")
}

// get asks for what a path has.
func (c *Client) get(ctx context.Context, path string, into any) error {
	resp, err := c.do(ctx, http.MethodGet, path, nil, JSON)
	if err != nil {
		return err
	}
	return decode(resp, into)
}

// post asks a model for something, which JSON describes.
func (c *Client) post(ctx context.Context, model, what string, body, into any) error {
	resp, err := c.send(ctx, model, what, body, JSON)
	if err != nil {
		return err
	}
	return decode(resp, into)
}

// send asks a model for something in some format. The body of the answer is to be closed.
func (c *Client) send(ctx context.Context, model, what string, body any, as string) (*http.Response, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	return c.do(ctx, http.MethodPost, modelPath(model, what), b, as)
}

// decode reads an answer.
func decode(resp *http.Response, into any) error {
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("client: the answer cannot be read: %w", err)
	}
	return nil
}

// do sends a request until the service has room for it. An answer that is none of 200 is an [Error].
func (c *Client) do(ctx context.Context, method, path string, body []byte, as string) (*http.Response, error) {
	for left := cmp.Or(c.Tries, 5); ; left-- {
		resp, err := c.once(ctx, method, path, body, as)
		if err != nil || resp.StatusCode == http.StatusOK {
			return resp, err
		}
		failed := readError(resp)
		if left <= 1 || !errors.Is(failed, ErrBusy) {
			return nil, failed
		}
		select {
		case <-time.After(retryAfter(resp.Header.Get("Retry-After"))):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w (%w)", context.Cause(ctx), failed)
		}
	}
}

func (c *Client) once(ctx context.Context, method, path string, body []byte, as string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.URL, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	r.Header.Set("Accept", as)
	if body != nil {
		r.Header.Set("Content-Type", JSON)
	}
	if c.Token != "" {
		r.Header.Set("Authorization", "Bearer "+c.Token)
	}
	resp, err := cmp.Or(c.HTTP, http.DefaultClient).Do(r)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	return resp, nil
}

// mostWait bounds what a service can make a client wait for its next try.
const mostWait = time.Minute

// retryAfter is how long a Retry-After says to wait: a second where it says nothing.
func retryAfter(text string) time.Duration {
	if s, err := strconv.Atoi(text); err == nil && s >= 0 {
		return min(time.Duration(s)*time.Second, mostWait)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(0, time.Until(at)), mostWait)
	}
	return time.Second
}

// mostError bounds how much of an answer that is an error is read.
const mostError = 1 << 20

// readError returns the error that an answer is.
func readError(resp *http.Response) error {
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, mostError))
	if err != nil {
		return fmt.Errorf("client: status %d: %w", resp.StatusCode, err)
	}
	e := &Error{Status: resp.StatusCode, RequestID: resp.Header.Get("X-Request-Id")}
	var problem struct { // RFC 9457
		Detail string `json:"detail"`
		Errors []struct {
			Message  string `json:"message"`
			Location string `json:"location"`
		} `json:"errors"`
	}
	if json.Unmarshal(b, &problem) != nil {
		e.Message = strings.TrimSpace(string(b[:min(len(b), 200)]))
		return e
	}
	e.Message = problem.Detail
	for _, one := range problem.Errors {
		e.Details = append(e.Details, strings.TrimPrefix(one.Location+": "+one.Message, ": "))
	}
	return e
}
