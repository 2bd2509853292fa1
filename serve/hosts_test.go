package serve

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestAServiceOfThisMachineAnswersToItsNames: another name that leads here is that of a page of another site, which
// would read what the service says.
func TestAServiceOfThisMachineAnswersToItsNames(t *testing.T) {
	hosts := map[string]bool{ // is it a name of this machine?
		"localhost": true, "LOCALHOST:80": true, "127.0.0.1:8080": true, "127.8.9.1": true, "[::1]:80": true,
		"[::1]": true, "localhost.": true, "evil.example:8080": false, "localhost.evil.example": false,
		"127.0.0.1.evil.example": false, "10.0.0.7": false, "[::2]:80": false,
	}
	for name, c := range map[string]struct {
		listen  string
		tokens  []string
		foreign int
	}{
		"loopback":             {"127.0.0.1:0", nil, http.StatusForbidden},
		"loopback with tokens": {"127.0.0.1:0", []string{"secret"}, http.StatusOK},
		"all addresses":        {"0.0.0.0:0", nil, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := New(Options{Lecture: true, Tokens: c.tokens})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", c.listen)
			if err != nil {
				t.Fatal(err)
			}
			_, port, _ := net.SplitHostPort(l.Addr().String())
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- s.Serve(ctx, l, time.Second, [2]string{}) }()
			defer func() {
				if stop(); <-ended != nil {
					t.Error("the end is an error")
				}
			}()
			url := "http://127.0.0.1:" + port
			for host, local := range hosts {
				for _, path := range []string{"/v1/models", "/lecture", "/lecture/api/pairs", "/metrics"} {
					r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path, nil)
					if err != nil {
						t.Fatal(err)
					}
					r.Host = host
					r.Header.Set("Authorization", "Bearer secret")
					want := c.foreign
					if local {
						want = http.StatusOK
					}
					code, body, _ := answered(t, r)
					if code != want || code == http.StatusForbidden && !strings.Contains(body, host) {
						t.Errorf("%s of %s: %d %.200s; want %d", path, host, code, body, want)
					}
				}
			}
		})
	}
}
