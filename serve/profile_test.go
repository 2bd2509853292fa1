package serve

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestProfilesAreForThisMachine(t *testing.T) {
	listen := func(address string) net.Listener {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	open := listen("0.0.0.0:0")
	defer open.Close()
	if err := Profiles(t.Context(), open); err == nil || !strings.Contains(err.Error(), "no loopback address") {
		t.Errorf("profiles for all: %v", err)
	}
	l := listen("127.0.0.1:0")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Profiles(ctx, l) }()
	code, body, _ := get(t, "http://"+l.Addr().String()+"/debug/pprof/goroutine?debug=1")
	if code != http.StatusOK || !strings.HasPrefix(body, "goroutine profile:") {
		t.Errorf("%d %.100s", code, body)
	}
	if stop(); <-ended != nil {
		t.Error("the end is an error")
	}
	// A service itself has none.
	_, h := serving(t, nil)
	if code, _, _ := get(t, h.URL+"/debug/pprof/"); code != http.StatusNotFound {
		t.Errorf("a service answers %d to who asks for profiles", code)
	}
}
