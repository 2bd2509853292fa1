package cli

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"flowmatch/run"
	"flowmatch/serve"
)

// servedResult is what a service says of itself when it has ended.
type servedResult struct {
	Address string   `json:"address"`
	Models  []string `json:"models"`
	Lecture bool     `json:"lecture"`
	Seconds float64  `json:"seconds"`
}

func (s servedResult) text(w io.Writer) {
	what := s.Models
	if s.Lecture {
		what = append(slices.Clone(what), "the lecture")
	}
	fmt.Fprintf(w, "served\t%s, on %s, for %.0f s\n", strings.Join(what, ", "), s.Address, s.Seconds)
}

type serveFlags struct {
	lecture, noPage                         bool
	addr, tokens, cert, key, backend, pprof string
	queue, points, nfe                      int
	body                                    int64
	timeout, grace, delay                   time.Duration
}

func (a *app) serveCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve [DIR...]",
		Short: "Answer requests for samples, log-densities and imputed rows over HTTP",
		Long: `Serve trained runs, each by the name of its folder:

  GET  /                        a page for browsers that shows the runs: losses as they come, flows,
                                images, tables; --no-page leaves it out
  GET  /v1/models               the models, and what each takes
  POST /v1/models/NAME/sample   {"n": 10, "seed": 1}: JSON, CSV, NPY, NPZ or PNG, by Accept
  POST /v1/models/NAME/stream   the same, with the states on the way, as events
  POST /v1/models/NAME/logp     {"x": [[0.1, 0.2]]}
  POST /v1/models/NAME/bound    {"texts": ["..."]}: of runs of tokens, in the place of log p
  POST /v1/models/NAME/field    {"x": [[0.1, 0.2]], "t": 0.5}: velocities
  POST /v1/models/NAME/impute   {"rows": [{"age": null, "city": "Rome"}]}
  POST /v1/models/NAME/complete {"x": [[0.1, null]]}: points of which a part is known
  GET  /v1/models/NAME/run      the training behind a model; NAME/metrics has its losses
  POST /v2/models/NAME/infer    the Open Inference Protocol of KServe and Triton
  GET  /openapi.json            all of this as an OpenAPI document
  GET  /metrics                 figures for Prometheus
  GET  /livez, /readyz          is it alive; does it take requests

With --lecture, /lecture is a lecture on flow matching in eight moving pictures, in English
and Chinese, computed here. It needs no DIR.

Requests for one model that can share a solve do. Each point has steps of its own, so
that an answer depends on the request and its seed alone. If more than --max-queue
requests wait, others get 429. A new checkpoint in the folder of a run is taken up
without a lost request. A run that cannot be read yet does not stop the others.

The addresses of the page and of the lecture are printed and logged. A run that is being
trained is served from its first checkpoint on; its losses can be watched before.

SIGTERM or Ctrl-C ends the service: after --drain-delay requests that it has are answered
first, for --grace at most. The log is JSON on standard error.

Without --token-file anybody who reaches the address may ask. By default that is this
machine alone, as localhost or 127.0.0.1.`,
		Example: `  flowmatch serve runs/moons
  curl -s localhost:8080/v1/models/moons/sample -d '{"n": 5, "seed": 1}'
  flowmatch serve --lecture
  flowmatch serve runs/moons runs/people --addr :8443 --token-file token --tls-cert cert.pem --tls-key key.pem`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 && !f.lecture {
				return usagef("argument DIR is missing; only --lecture needs none")
			}
			return nil
		},
		ValidArgsFunction: folderArgument(),
		RunE: a.do(func(cmd *cobra.Command, args []string) (result, error) {
			return a.serve(cmd, args, f)
		}),
	}
	f.define(cmd)
	return cmd
}

// define declares the flags.
func (f *serveFlags) define(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.BoolVar(&f.lecture, "lecture", false, "serve the lecture on flow matching, at /lecture")
	fl.BoolVar(&f.noPage, "no-page", false, "serve no page for browsers, but answers to programs alone")
	fl.StringVar(&f.addr, "addr", "127.0.0.1:8080", "address to listen on, as HOST:PORT")
	fl.StringVar(&f.tokens, "token-file", "",
		"file of secrets, one a line (# begins a remark): a request must bring one as a bearer token")
	fl.StringVar(&f.cert, "tls-cert", "", "file of the certificate, for HTTPS")
	fl.StringVar(&f.key, "tls-key", "", "file of the key of --tls-cert")
	fl.IntVar(&f.queue, "max-queue", 256, "requests that wait or are under way, at most")
	fl.IntVar(&f.points, "max-points", 100_000, "points of a request, at most")
	fl.IntVar(&f.nfe, "max-nfe", 20_000, "evaluations of the network for a point, at most")
	fl.Int64Var(&f.body, "max-body", 16<<20, "bytes of the body of a request, at most: 16 MiB")
	fl.DurationVar(&f.timeout, "timeout", time.Minute, "time of a request, at most")
	fl.DurationVar(&f.grace, "grace", 30*time.Second, "time for the requests under way when the service ends")
	fl.DurationVar(&f.delay, "drain-delay", 0,
		"time before --grace in which requests are still taken and /readyz says 503, until those that send them know")
	fl.StringVar(&f.pprof, "pprof", "", "loopback address of its own for profiles (net/http/pprof), as 127.0.0.1:6060")
	fl.StringVar(&f.backend, "backend", "", "backend (default: the one of the run)")
	cmd.MarkFlagsRequiredTogether("tls-cert", "tls-key")
}

// options returns those of the server.
func (f serveFlags) options(dirs []string) (serve.Options, error) {
	o := serve.Options{Runs: dirs, Lecture: f.lecture, NoPage: f.noPage, Open: run.OpenOptions{Backend: f.backend},
		MaxQueue: f.queue, MaxPoints: f.points, MaxNFE: f.nfe, MaxBody: f.body, Timeout: f.timeout, DrainDelay: f.delay,
		Version: run.Version()}
	for _, n := range []struct {
		flag string
		v    int64
	}{{"max-queue", int64(f.queue)}, {"max-points", int64(f.points)}, {"max-nfe", int64(f.nfe)},
		{"max-body", f.body}, {"timeout", int64(f.timeout)}, {"grace", int64(f.grace)}} {
		if n.v < 1 {
			return o, usagef("--%s must be positive", n.flag)
		}
	}
	if f.delay < 0 {
		return o, usagef("--drain-delay is %s; it must not be negative", f.delay)
	}
	if f.cert != "" {
		if _, err := tls.LoadX509KeyPair(f.cert, f.key); err != nil {
			return o, usagef("--tls-cert %s, --tls-key %s: %w", quote(f.cert), quote(f.key), err)
		}
	}
	if f.tokens == "" {
		return o, nil
	}
	var err error
	o.Tokens, err = readTokens(f.tokens)
	return o, err
}

// readTokens reads a file of tokens, one a line.
func readTokens(name string) (tokens []string, err error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, usagef("--token-file: %w", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if t := strings.TrimSpace(lines.Text()); t != "" && !strings.HasPrefix(t, "#") {
			tokens = append(tokens, t)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, usagef("--token-file: %w", err)
	}
	if tokens == nil {
		return nil, usagef("--token-file: %s has no token; write one a line", name)
	}
	return tokens, nil
}

func (a *app) serve(cmd *cobra.Command, dirs []string, f serveFlags) (result, error) {
	for _, name := range []string{"max-queue", "max-points", "max-nfe", "max-body", "backend", "no-page"} {
		if len(dirs) == 0 && cmd.Flags().Changed(name) {
			return nil, usagef("--%s has no effect on the lecture; it is for runs, and no DIR is given", name)
		}
	}
	o, err := f.options(dirs)
	if err != nil {
		return nil, err
	}
	level := slog.LevelInfo
	if a.quiet {
		level = slog.LevelWarn
	}
	o.Log = slog.New(slog.NewJSONHandler(a.stderr, &slog.HandlerOptions{Level: level}))
	server, err := serve.New(o)
	if err != nil {
		return nil, err
	}
	defer server.Close()
	l, err := new(net.ListenConfig).Listen(cmd.Context(), "tcp", f.addr)
	if err != nil {
		return nil, usagef("--addr: %w", err)
	}
	if err := f.profile(cmd.Context(), o.Log); err != nil {
		return nil, err
	}
	res, start := servedResult{Address: l.Addr().String(), Models: server.Models(), Lecture: o.Lecture}, time.Now()
	said := []any{"address", res.Address, "models", res.Models}
	for _, p := range f.pages(l.Addr(), len(dirs) > 0) {
		said = append(said, p.name, p.where)
		if !a.quiet && !a.json {
			fmt.Fprintf(a.stdout, "%-7s %s\n", p.name, p.where)
		}
	}
	o.Log.Info("serving", said...)
	if o.Tokens == nil && !serve.Loopback(l.Addr()) {
		o.Log.Warn("anybody who reaches the address may ask; --token-file lets in only those who bring a token",
			"address", res.Address)
	}
	a.leave.unsaved.Store(true) // requests under way are answered first
	defer a.leave.unsaved.Store(false)
	err = server.Serve(cmd.Context(), l, f.grace, [2]string{f.cert, f.key})
	res.Seconds = time.Since(start).Seconds()
	return res, err
}

// page is what a browser can open.
type page struct{ name, where string }

// pages are the page of runs, where there are some, and the lecture.
func (f serveFlags) pages(at net.Addr, runs bool) (all []page) {
	scheme, host := "http", at.String()
	if f.cert != "" {
		scheme = "https"
	}
	if ip, ok := at.(*net.TCPAddr); ok && ip.IP.IsUnspecified() {
		host = net.JoinHostPort("localhost", strconv.Itoa(ip.Port))
	}
	if runs && !f.noPage {
		all = append(all, page{"page", scheme + "://" + host + "/"})
	}
	if f.lecture {
		all = append(all, page{"lecture", scheme + "://" + host + "/lecture"})
	}
	return all
}

// profile serves profiles of the program, where --pprof asks for that.
func (f serveFlags) profile(ctx context.Context, log *slog.Logger) error {
	if f.pprof == "" {
		return nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", f.pprof)
	if err != nil {
		return usagef("--pprof: %w", err)
	}
	if !serve.Loopback(l.Addr()) {
		l.Close()
		return usagef("--pprof %s is no loopback address, and profiles are for this machine alone; give 127.0.0.1:PORT",
			f.pprof)
	}
	log.Info("profiles", "address", l.Addr().String())
	go func() {
		if err := serve.Profiles(ctx, l); err != nil {
			log.Warn("profiles", "error", err)
		}
	}()
	return nil
}
