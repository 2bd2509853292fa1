package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"flowmatch/client"
	"flowmatch/internal/choice"
)

// This file admits requests. Each takes a place before its body is read, and keeps it until it is answered; what
// it needs memory for is counted before it is made.

// mostNumbers bounds the numbers of all requests that have a place: of their points, of what these are given, and of
// the states of streams. With their answers as JSON they take half a gigabyte.
const mostNumbers = 1 << 22

// numberBytes is about how much memory a number takes until its answer is written: as JSON, which takes most.
const numberBytes = 128

// mostHeld bounds the memory of all bodies, as they are read and decoded.
const mostHeld = 512 << 20

// places are those of requests that wait or are under way.
type places struct {
	mu      sync.Mutex
	most    int // requests that may have one
	taken   int
	numbers int   // of their points
	held    int64 // bytes of memory of their bodies
}

// place is that of a request.
type place struct {
	of      *places
	numbers int
	held    int64
}

// errBusy is returned for a request that finds no room.
var errBusy = errors.New("too many requests are waiting")

// enter returns a place, or errBusy.
func (p *places) enter() (*place, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken >= p.most {
		return nil, errBusy
	}
	p.taken++
	return &place{of: p}, nil
}

// length is how many requests have a place.
func (p *places) length() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken
}

// leave gives the place back.
func (p *place) leave() {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	p.of.taken, p.of.numbers, p.of.held = p.of.taken-1, p.of.numbers-p.numbers, p.of.held-p.held
}

// room makes room for numbers of a request, before they are there. Outside of a request there is no bound.
func room(ctx context.Context, numbers int) error {
	if p, ok := ctx.Value(ofPlace{}).(*place); ok {
		return answer(p.take(numbers))
	}
	return nil
}

// take makes room for numbers, before they are there. A request that would find none if it were alone asks for too
// many.
func (p *place) take(numbers int) error {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	switch {
	case p.numbers+numbers > mostNumbers:
		return invalid("the points, what they are given and the states of a stream have %d numbers; at most %d are "+
			"for all requests; ask for fewer points", p.numbers+numbers, mostNumbers)
	case p.of.numbers+numbers > mostNumbers:
		return errBusy
	}
	p.numbers, p.of.numbers = p.numbers+numbers, p.of.numbers+numbers
	return nil
}

// hold makes room for the memory of a body, before it is there. One that would find none if it were alone is too
// large.
func (p *place) hold(bytes int64) error {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	switch {
	case p.held+bytes > mostHeld:
		return tooLarge("the body takes about %d MiB to be read; at most %d are for all requests; ask for fewer points",
			(p.held+bytes)>>20, mostHeld>>20)
	case p.of.held+bytes > mostHeld:
		return errBusy
	}
	p.held, p.of.held = p.held+bytes, p.of.held+bytes
	return nil
}

// ofPlace is the key of the place of a request in its context.
type ofPlace struct{}

// placed returns a context with a place.
func placed(ctx context.Context, p *place) context.Context {
	return context.WithValue(ctx, ofPlace{}, p)
}

// read reads the body of a request that has a place.
func (s *Server) read(w http.ResponseWriter, r *http.Request, p *place) ([]byte, error) {
	if end, ok := r.Context().Deadline(); ok {
		// Not every writer has one: that of a server does.
		_ = http.NewResponseController(w).SetReadDeadline(end)
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return nil, huma.Error415UnsupportedMediaType("the body is compressed: leave Content-Encoding out")
	}
	var body bytes.Buffer
	for {
		n, err := io.CopyN(&body, r.Body, 64<<10)
		if full := p.hold(2 * n); full != nil { // the body, and its copy in a buffer that grows
			return nil, answer(full)
		}
		if errors.Is(err, io.EOF) {
			return body.Bytes(), nil
		}
		if err != nil {
			return nil, notRead(err)
		}
	}
}

// notRead is the answer to a body whose end is not reached.
func notRead(err error) error {
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge("the body has more than %d bytes", large.Limit)
	}
	if slow, ok := errors.AsType[net.Error](err); ok && slow.Timeout() {
		return huma.Error408RequestTimeout("the body did not come in time")
	}
	return huma.Error400BadRequest("the body ends early")
}

// drain reads what is left of a body, so that who sends it comes to read the answer.
func drain(r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }

// mostValues is how many values the body of a request for a model may have: those of twice the points that are
// answered at a time, as the points and what they are given, with their lists and labels.
func (s *Server) mostValues(m size) int { return 1000 + s.mostPoints(m.dim)*(2*m.width+4) }

// size is how many numbers a point of a model has, and how many values what a request says of it, such as a context;
// width is the larger of the two.
type size struct{ dim, width int }

// sized returns the size of the points of a model, of which an operation can be asked.
func (s *Server) sized(name, op string) (size, error) {
	e, err := s.entry(name)
	if err != nil {
		return size{}, err
	}
	if r := e.tokens.Load(); r != nil && slices.Contains(ofTokens, op) {
		return size{r.Model.Spec().Net.Length, 1}, nil
	}
	r, err := s.model(name)
	if err != nil {
		return size{}, err
	}
	spec := r.Model.Spec()
	switch {
	case op == "bound":
		return size{}, invalid("%s is of points, whose log-densities are no bounds; ask /logp", choice.Quote(name))
	case op == "complete" && spec.Schema != nil: // whose texts are no points
		return size{}, invalid(ofTable)
	}
	return r.size(), nil
}

func (r *served) size() size {
	spec := r.Model.Spec()
	of := size{r.Model.Dim(), max(r.Model.Dim(), len(spec.ContextColumns))}
	if spec.Schema != nil {
		of.width = max(of.width, len(spec.Schema.Columns))
	}
	return of
}

// bodyOf returns the keys of the bodies of an operation.
func (s *Server) bodyOf(request reflect.Type) (n names) {
	all := s.api.OpenAPI().Components.Schemas
	of := all.Schema(request, true, "")
	if of.Ref != "" {
		of = all.SchemaFromRef(of.Ref)
	}
	for name, p := range of.Properties {
		n.all = append(n.all, name)
		if p.Type == huma.TypeInteger || name == "label" { // a class by its number
			n.whole = append(n.whole, name)
		}
	}
	slices.Sort(n.all) // errors name the first of several
	return n
}

// admitted is a middleware of an operation on a model, with bodies of a type: it gives the request a place, and
// looks through its body before that is decoded.
func (s *Server) admitted(request reflect.Type) func(huma.Context, func(huma.Context)) {
	known := sync.OnceValue(func() names { return s.bodyOf(request) })
	return func(c huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(c)
		p, err := s.admit(w, r, c.Operation().OperationID, known())
		if p != nil {
			defer p.leave()
		}
		if err != nil {
			drain(r)
			s.refuse(c, err)
			return
		}
		next(huma.WithContext(c, placed(c.Context(), p)))
	}
}

// admit gives a request a place, and leaves it a body that can be decoded. There may be a place beside an error.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, op string, known names) (*place, error) {
	m, err := s.sized(r.PathValue("name"), op)
	if err != nil {
		return nil, err
	}
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if kind = strings.ToLower(strings.TrimSpace(kind)); kind != client.JSON && !strings.HasSuffix(kind, "+json") {
		return nil, huma.Error415UnsupportedMediaType(fmt.Sprintf("the body is JSON; send it as %s", client.JSON))
	}
	p, err := s.places.enter()
	if err != nil {
		return nil, answer(err)
	}
	text, err := s.read(w, r, p)
	if err != nil {
		return p, err
	}
	if len(text) > 0 {
		found, err := scan(text, known, s.mostValues(m))
		if err != nil {
			return p, err
		}
		if err := s.counted(m, found); err != nil {
			return p, err
		}
		if err := p.hold(found.cost()); err != nil {
			return p, answer(err)
		}
		text = found.text
	}
	r.Body = io.NopCloser(bytes.NewReader(text))
	return p, answer(context.Cause(r.Context()))
}

// counted reports lists of more points than are answered.
func (s *Server) counted(m size, found scanned) error {
	for _, name := range []string{"x", "rows", "noise", "given", "condition", "label", "times", "texts"} {
		if n := found.lists[name]; n > 0 {
			if err := s.few(name, n, m.dim); err != nil {
				return err
			}
		}
	}
	return nil
}

// refuse answers with an error.
func (s *Server) refuse(c huma.Context, err error) {
	if h, ok := errors.AsType[huma.HeadersError](err); ok {
		for name, values := range h.GetHeaders() {
			for _, v := range values {
				c.AppendHeader(name, v)
			}
		}
	}
	problem, ok := errors.AsType[*huma.ErrorModel](err)
	if !ok {
		problem = &huma.ErrorModel{Status: http.StatusInternalServerError, Detail: "the request cannot be answered"}
		s.o.Log.Error("a request cannot be answered", "error", err)
	}
	var details []error
	for _, d := range problem.Errors {
		details = append(details, d)
	}
	if err := huma.WriteErr(s.api, c, problem.Status, problem.Detail, details...); err != nil {
		s.o.Log.Warn("an error cannot be answered", "error", err)
	}
}

// largeAnswer is how many numbers make an answer a large one: as JSON it takes a hundred bytes for each while it is
// encoded, and so few are at a time.
const largeAnswer = 1 << 17

// encoding waits until an answer of so many numbers can be encoded. The func that it returns is to be called after
// that.
func (s *Server) encoding(ctx context.Context, numbers int) (func(), error) {
	if numbers < largeAnswer {
		return func() {}, nil
	}
	select {
	case s.large <- struct{}{}:
		return func() { <-s.large }, nil
	case <-ctx.Done():
		return nil, answer(context.Cause(ctx))
	}
}

// leastWrite is how long a client has at least to read each part of its answer; else it is twice the time of a
// request.
const leastWrite = 10 * time.Second

// extend gives a client time to read what is written next. The time since the request came does not count: a late
// answer is an answer.
func (s *Server) extend(w http.ResponseWriter) {
	// Not every writer has a deadline: that of a server does.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(max(2*s.o.Timeout, leastWrite)))
}
