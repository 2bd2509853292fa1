package serve

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"flowmatch/client"
	"flowmatch/internal/choice"
	"flowmatch/run"
	"flowmatch/serve/lecture"
	"flowmatch/serve/page"
)

// Options says how a Server answers. A zero field has the default that is named beside it.
type Options struct {
	// Runs are the folders of the runs that are served, each by the name of its folder.
	Runs []string
	Open run.OpenOptions // how they are opened
	// Lecture adds the lecture on flow matching, a page whose pictures are computed here. It needs no run.
	Lecture bool
	// NoPage leaves out the page of runs, for a service that programs alone ask.
	NoPage bool
	// Tokens are secrets, one of which a request must bring as a bearer token; nil: none must.
	Tokens    []string
	MaxQueue  int           // requests that wait or are under way; default 256
	MaxPoints int           // of a request; default 100,000
	MaxNFE    int           // evaluations of the network for a point; default 20,000
	MaxBody   int64         // bytes of a request; default 16 MiB
	Timeout   time.Duration // of a request; default a minute
	Workers   int           // solves at a time; default the number of cores
	// DrainDelay is how long [Server.Serve] takes requests after its end was asked for, while /readyz says that it is
	// not ready: until those that send them know. Default 0.
	DrainDelay time.Duration
	// Watch is how often folders are looked at for a new state; default a second.
	Watch time.Duration
	Log   *slog.Logger // default: nothing is logged
	// Version is that of the program, for the OpenAPI document.
	Version string
}

func (o Options) defaults() Options {
	o.MaxQueue, o.MaxPoints = cmp.Or(o.MaxQueue, 256), cmp.Or(o.MaxPoints, 100_000)
	o.MaxNFE, o.MaxBody = cmp.Or(o.MaxNFE, 20_000), cmp.Or(o.MaxBody, 16<<20)
	o.Timeout, o.Watch = cmp.Or(o.Timeout, time.Minute), cmp.Or(o.Watch, time.Second)
	o.Workers = cmp.Or(o.Workers, runtime.GOMAXPROCS(0))
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// check reports an option that cannot be used.
func (o Options) check() error {
	for _, f := range []struct {
		name string
		v    int64
	}{
		{"MaxQueue", int64(o.MaxQueue)}, {"MaxPoints", int64(o.MaxPoints)}, {"MaxNFE", int64(o.MaxNFE)},
		{"MaxBody", o.MaxBody}, {"Timeout", int64(o.Timeout)}, {"Workers", int64(o.Workers)}, {"Watch", int64(o.Watch)},
		{"DrainDelay", int64(o.DrainDelay)},
	} {
		if f.v < 0 {
			return fmt.Errorf("serve: %s is negative", f.name)
		}
	}
	if len(o.Runs) == 0 && !o.Lecture {
		return errors.New("serve: there is no run to serve, and no Lecture")
	}
	if slices.Contains(o.Tokens, "") {
		return errors.New("serve: a token is empty")
	}
	return nil
}

// Server answers requests for runs. Make one with New.
type Server struct {
	o        Options
	entries  []*entry
	places   *places
	large    chan struct{} // held while a large answer is encoded
	queue    *queue
	meters   *meters
	watchers watchers
	handler  http.Handler
	api      huma.API
	ready    context.Context
	drain    context.CancelFunc // not ready from then on
	late     atomic.Bool        // Serve has ended before all requests were answered
}

// New opens the runs, and returns a server of them, and of pages that show them. Close it.
func New(o Options) (*Server, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &Server{o: o.defaults()}
	var err error
	if s.entries, err = openRuns(o.Runs, o.Open, s.o.Log); err != nil {
		return nil, err
	}
	s.ready, s.drain = context.WithCancel(context.Background())
	s.meters = newMeters()
	s.places = &places{most: s.o.MaxQueue}
	s.large = make(chan struct{}, max(1, s.o.Workers/2))
	s.queue = newQueue(s.o.Workers, s.meters.solved)
	s.meters.watch(s.places)
	if s.handler, err = s.routes(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close ends the solves that are under way, and waits for them, unless they are those of a Serve whose grace was over:
// nobody waits for these.
func (s *Server) Close() {
	s.drain()
	s.queue.close()
	if !s.late.Load() {
		s.queue.workers.Wait()
	}
}

// Models returns the names of the models.
func (s *Server) Models() []string {
	names := []string{}
	for _, e := range s.entries {
		names = append(names, e.name)
	}
	return names
}

// Handler answers requests, whatever host they name; [Server.Serve] refuses some.
func (s *Server) Handler() http.Handler { return s.logged(problems(s.handler)) }

// OpenAPI returns the OpenAPI document of the server, as JSON.
func (s *Server) OpenAPI() ([]byte, error) { return s.api.OpenAPI().MarshalJSON() }

// Serve answers requests from l until ctx ends; then, after DrainDelay, those under way are answered, for grace at
// most, and new ones refused. tls are the files of a certificate and its key; empty: requests are not encrypted.
// On a loopback address a server without tokens refuses requests that name another host than this machine.
func (s *Server) Serve(ctx context.Context, l net.Listener, grace time.Duration, tls [2]string) error {
	handler := s.handler
	if s.o.Tokens == nil && Loopback(l.Addr()) {
		handler = localHosts(handler, ", or the service must have tokens")
	}
	server := &http.Server{ // each part of an answer has a new WriteTimeout: see extend
		Handler: s.logged(problems(handler)), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		ReadTimeout: s.o.Timeout, WriteTimeout: 2 * s.o.Timeout, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.o.Log.Handler(), slog.LevelWarn),
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go watch(watching, s.entries, s.o.Watch, s.o.Log)
	failed := make(chan error, 1)
	go func() {
		if tls[0] != "" {
			failed <- server.ServeTLS(l, tls[0], tls[1])
			return
		}
		failed <- server.Serve(l)
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	s.drain()
	s.o.Log.Info("draining", "waiting", s.places.length(), "delay", s.o.DrainDelay.String())
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-time.After(s.o.DrainDelay):
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		s.late.Store(true)
		return errors.Join(fmt.Errorf("serve: some requests were not answered in %s: %w", grace, err), server.Close())
	}
	return nil
}

// waiting says how many models answer nothing yet. It names none: probes need no token.
func (s *Server) waiting() string {
	n := 0
	for _, e := range s.entries {
		if _, _, ok := e.state(); !ok {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d models answer no requests yet\n", n, len(s.entries))
}

// entry returns what is served by a name.
func (s *Server) entry(name string) (*entry, error) {
	k := slices.IndexFunc(s.entries, func(e *entry) bool { return e.name == name })
	if k < 0 {
		there := "there is " + choice.List(s.Models())
		if len(s.entries) == 0 {
			there = "only the lecture is served"
		}
		return nil, huma.Error404NotFound(fmt.Sprintf("there is no model %s; %s", choice.Quote(name), there))
	}
	return s.entries[k], nil
}

// model returns the state of a run by its name.
func (s *Server) model(name string) (*served, error) {
	e, err := s.entry(name)
	if err != nil {
		return nil, err
	}
	r := e.current.Load()
	switch {
	case r == nil && e.tokens.Load() != nil:
		return nil, invalid("%s is of sequences of tokens; ask /sample, /stream or /bound", choice.Quote(name))
	case r == nil:
		return nil, e.notYet()
	}
	return r, nil
}

// notYet is the answer of a run that has no state yet.
func (e *entry) notYet() error {
	return huma.Error409Conflict(fmt.Sprintf("%s answers no requests yet: %s", choice.Quote(e.name), e.why()))
}

// routes are the paths of the server.
func (s *Server) routes() (http.Handler, error) {
	mux := http.NewServeMux()
	config := huma.DefaultConfig("flowmatch", cmp.Or(s.o.Version, "devel"))
	config.Info.Description = "Samples and log-densities of flow matching models."
	config.DocsPath, config.SchemasPath, config.CreateHooks = "", "", nil
	config.Formats = map[string]huma.Format{"application/json": strictJSON, "json": strictJSON}
	config.Transformers = append(config.Transformers, shortErrors)
	if s.o.Tokens != nil {
		config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}
		config.Security = []map[string][]string{{"token": {}}}
	}
	s.api = humago.New(mux, config)
	s.register()
	s.kserve(mux)
	mux.Handle("GET /metrics", s.meters.handler())
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if s.ready.Err() != nil {
			http.Error(w, "draining", http.StatusServiceUnavailable)
			return
		}
		io.WriteString(w, "ok\n"+s.waiting())
	})
	if s.o.Lecture {
		mux.Handle("GET "+lecture.Root, lecture.Handler(s.lectures()))
	}
	foreign := http.NewCrossOriginProtection() // a page of another site may not ask through its reader's browser
	rest := s.secured(foreign.Handler(s.bounded(mux)))
	if s.o.NoPage && !s.o.Lecture {
		return rest, nil
	}
	pages, err := page.Handler(page.Options{Runs: len(s.entries) > 0 && !s.o.NoPage, Lecture: s.o.Lecture,
		Version: s.o.Version})
	if err != nil {
		return nil, err
	}
	// Pages hold no secret, and are where a reader gives the token: they need none.
	all := http.NewServeMux()
	for _, of := range []string{"GET /{$}", "GET /page.json", "GET /static/", "GET /lecture"} {
		all.Handle(of, pages)
	}
	all.Handle("/", rest)
	return all, nil
}

// lectures leaves half of the cores to the models, where there are some.
func (s *Server) lectures() (o lecture.Options) {
	if len(s.entries) > 0 {
		o.Turns = max(1, s.o.Workers/2)
	}
	return o
}

// errTimeout ends a request that takes too long.
var errTimeout = errors.New("serve: the time of the request is over")

// bounded bounds the time and the size of a request, whose body is JSON.
func (s *Server) bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeoutCause(r.Context(), s.o.Timeout, errTimeout)
		defer cancel()
		r.Body = http.MaxBytesReader(w, r.Body, s.o.MaxBody)
		if t := r.Header.Get("Content-Type"); t == "" || strings.HasPrefix(t, "application/x-www-form-urlencoded") {
			r.Header.Set("Content-Type", client.JSON) // curl -d says so of whatever it sends
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// probes are the paths that need no token.
var probes = []string{"/livez", "/readyz", "/v2/health/live", "/v2/health/ready"}

// secured lets those in who bring a token, and tells browsers to be careful.
func (s *Server) secured(next http.Handler) http.Handler {
	var hashes [][32]byte
	for _, t := range s.o.Tokens {
		hashes = append(hashes, sha256.Sum256([]byte(t)))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if hashes == nil || slices.Contains(probes, r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		ok := strings.EqualFold(scheme, "Bearer")
		token = strings.TrimLeft(token, " ") // RFC 9110 has one space or more
		sum, known := sha256.Sum256([]byte(token)), 0
		for _, want := range hashes { // all of them: how long it takes says nothing
			known |= subtle.ConstantTimeCompare(sum[:], want[:])
		}
		if !ok || known == 0 {
			h.Set("WWW-Authenticate", `Bearer realm="flowmatch"`)
			http.Error(w, "a bearer token is needed", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
