package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestServicesThatCannotBe(t *testing.T) {
	run := trained(t)
	for args, want := range map[string]string{
		"":                         "argument DIR is missing",
		"--lecture --max-nfe 3":    "--max-nfe has no effect on the lecture",
		"--lecture --backend go":   "--backend has no effect on the lecture",
		"--lecture nothing":        "not a run's folder",
		run + " " + run:            "would both be called run",
		run + " --max-queue 0":     "--max-queue must be positive",
		run + " --max-body 0":      "--max-body must be positive",
		run + " --drain-delay -1s": "--drain-delay is -1s",
		"--lecture --max-body 3":   "--max-body has no effect on the lecture",
		run + " --tls-cert " + empty(t) + " --tls-key nothing": "--tls-cert ",
		run + " --timeout -1s":                                 "--timeout is -1s",
		run + " --token-file nothing":                          "--token-file: ",
		run + " --tls-cert c.pem":                              "tls-key",
		run + " --addr 1.2.3.4.5:1":                            "--addr: ",
		run + " --addr 127.0.0.1:0 --pprof 0.0.0.0:0":          "is no loopback address",
		run + " --addr 127.0.0.1:0 --pprof 127.0.0.1":          "--pprof: ",
		t.TempDir():                            "not a run's folder",
		run + " --backend z":                   "z",
		run + " --token-file " + empty(t):      "has no token",
		run + " --addr 127.0.0.1:0 --grace 0s": "--grace is 0s",
		run + " --drain-delay 0s --grace 0s":   "--grace is 0s", // no delay is right
	} {
		code, _, stderr := invoke(t, append([]string{"serve"}, strings.Fields(args)...)...)
		if code == 0 || !strings.Contains(stderr, want) {
			t.Errorf("serve %s: exit code %d, %q; want %q", args, code, stderr, want)
		}
	}
}

// empty is a file of tokens without one.
func empty(t *testing.T) string { return writeText(t, "token", "# none yet\n\n") }

// TestTheLectureIsServedWithoutARun: and the last line says what was.
func TestTheLectureIsServedWithoutARun(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	r, w := io.Pipe()
	ended, out := make(chan int, 1), new(strings.Builder)
	go func() {
		code := execute(ctx, []string{"serve", "--lecture", "--addr", "127.0.0.1:0", "--json"}, out, w)
		w.Close()
		ended <- code
	}()
	var said struct{ Msg, Page, Lecture string }
	if err := json.NewDecoder(r).Decode(&said); err != nil || said.Msg != "serving" {
		t.Fatalf("the log begins with %+v, %v", said, err)
	}
	go io.Copy(io.Discard, r)
	resp, err := http.Get(said.Lecture)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != http.StatusOK || said.Page != "" {
		t.Errorf("%+v: %s", said, resp.Status)
	}
	stop()
	<-ended
	var res servedResult
	if err := json.Unmarshal([]byte(out.String()), &res); err != nil || !res.Lecture || res.Models == nil ||
		len(res.Models) > 0 {
		t.Errorf("at the end: %s, %v", out, err)
	}
}

// TestThePagesOfAServiceAreNamed: the lecture beside the page of runs, and each alone.
func TestThePagesOfAServiceAreNamed(t *testing.T) {
	here, all := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}, &net.TCPAddr{IP: net.IPv6zero, Port: 8080}
	for _, c := range []struct {
		f    serveFlags
		at   net.Addr
		runs bool
		want []page
	}{
		{serveFlags{lecture: true}, here, true,
			[]page{{"page", "http://127.0.0.1:8080/"}, {"lecture", "http://127.0.0.1:8080/lecture"}}},
		{serveFlags{lecture: true}, here, false, []page{{"lecture", "http://127.0.0.1:8080/lecture"}}},
		{serveFlags{lecture: true, noPage: true}, here, true, []page{{"lecture", "http://127.0.0.1:8080/lecture"}}},
		{serveFlags{cert: "cert.pem"}, all, true, []page{{"page", "https://localhost:8080/"}}},
		{serveFlags{noPage: true}, here, true, nil},
	} {
		if got := c.f.pages(c.at, c.runs); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.f, got, c.want)
		}
	}
}

// TestAServiceAnswersUntilItsEnd: as a command, with profiles of its own.
func TestAServiceAnswersUntilItsEnd(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	r, w := io.Pipe()
	ended, out := make(chan int, 1), new(strings.Builder)
	go func() {
		code := execute(ctx, []string{"serve", trained(t), "--addr", "127.0.0.1:0", "--pprof", "127.0.0.1:0"}, out, w)
		w.Close()
		ended <- code
	}()
	lines, addresses := bufio.NewScanner(r), map[string]string{}
	for len(addresses) < 2 && lines.Scan() {
		var said struct{ Msg, Address string }
		if err := json.Unmarshal(lines.Bytes(), &said); err != nil {
			t.Fatalf("the log has %q: %v", lines.Text(), err)
		}
		addresses[said.Msg] = said.Address
	}
	go io.Copy(io.Discard, r)
	for _, url := range []string{addresses["serving"] + "/v1/models/run",
		addresses["profiles"] + "/debug/pprof/cmdline"} {
		resp, err := http.Get("http://" + url)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", url, resp.Status)
		}
	}
	stop()
	<-ended
	if !strings.Contains(out.String(), "page    http://"+addresses["serving"]+"/\n") {
		t.Errorf("the address of the page is not printed: %q", out)
	}
	if !strings.Contains(out.String(), "served") || !strings.Contains(out.String(), addresses["serving"]) {
		t.Errorf("at the end: %q", out)
	}
}

// TestServicesThatAnybodyReachesSaySo: where they have no tokens.
func TestServicesThatAnybodyReachesSaySo(t *testing.T) {
	for _, c := range []struct {
		args string
		warn bool
	}{{"--addr 0.0.0.0:0", true}, {"--addr 127.0.0.1:0", false}, {"--addr 0.0.0.0:0 --token-file " +
		writeText(t, "token", "secret\n"), false}} {
		ctx, stop := context.WithCancel(t.Context())
		r, w := io.Pipe()
		ended := make(chan int, 1)
		go func() {
			code := execute(ctx, append([]string{"serve", "--lecture"}, strings.Fields(c.args)...), io.Discard, w)
			w.Close()
			ended <- code
		}()
		lines := bufio.NewScanner(r)
		var said strings.Builder
		for lines.Scan() {
			said.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), `"msg":"serving"`) {
				stop() // what is said is said before the first request
			}
		}
		stop()
		if <-ended; strings.Contains(said.String(), "anybody who reaches the address may ask") != c.warn {
			t.Errorf("%s: the log is %s; want a warning: %v", c.args, &said, c.warn)
		}
	}
}
