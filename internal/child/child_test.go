package child

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"
)

type line struct{ N int }

func shell(t *testing.T, script string) *exec.Cmd {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no shell")
	}
	return exec.CommandContext(t.Context(), sh, "-c", script)
}

func TestAConversation(t *testing.T) {
	var hello, got line
	p, err := Start(shell(t, `echo '{"n": 1}'; read r; echo "$r"; exec sleep 60`), &hello)
	if err != nil || hello.N != 1 {
		t.Fatalf("hello %+v (%v), want 1", hello, err)
	}
	if err := p.Ask(line{2}, &got); err != nil || got.N != 2 {
		t.Errorf("answer %+v (%v), want what was sent", got, err)
	}
	start := time.Now()
	p.Stop(10 * time.Millisecond)
	p.Stop(time.Hour) // does nothing
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("a program that sleeps was stopped after %v", took)
	}
}

func TestABrokenConversationHasTheLastWords(t *testing.T) {
	for script, said := range map[string][]string{
		"exit 3":                               nil,
		"echo hm":                              nil,
		"echo one >&2; echo two >&2; exit 3":   {"one", "two"},
		"echo '{'; echo 'a trace' >&2; exit 1": {"a trace"},
	} {
		_, err := Start(shell(t, script), &line{})
		var b *Broken
		if !errors.As(err, &b) || !slices.Equal(b.Said, said) || b.State == nil || b.Err == nil {
			t.Errorf("%s: got %v (%+v), want a Broken with %q", script, err, b, said)
		}
	}
	var hello line
	p, err := Start(shell(t, `echo '{}'; read r; exit 0`), &hello)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Ask(line{}, &hello); !errors.Is(err, io.EOF) {
		t.Errorf("no answer: got %v, want io.EOF within", err)
	}
}

// What a command has started ends with it.
func TestAGroupEndsTogether(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, "sh", "-c", `sleep 600 & echo "{\"n\": $!}"; wait`)
	Group(cmd)
	if cmd.SysProcAttr == nil {
		t.Skip("this system has no groups of processes")
	}
	var hello line
	p, err := Start(cmd, &hello)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	p.Stop(time.Minute)
	there := func() bool { return exec.Command("kill", "-0", strconv.Itoa(hello.N)).Run() == nil }
	for range 100 {
		if !there() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("process %d runs on", hello.N)
}
