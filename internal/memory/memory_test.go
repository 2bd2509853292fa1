package memory

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What the process takes, it is seen to hold.
func TestProcess(t *testing.T) {
	_, before := Process()
	if before == 0 {
		t.Skip("this system does not report it")
	}
	const size = 256 << 20
	x := make([]byte, size)
	for i := 0; i < size; i += 512 {
		x[i] = 1
	}
	now, peak := Process()
	runtime.KeepAlive(x)
	if peak < size || peak < now || peak < before {
		t.Errorf("holds %d bytes, at most %d, before %d; want at least the %d taken", now, peak, before, size)
	}
}

// The time of the processors is that of work, and not that of waiting.
func TestProcessor(t *testing.T) {
	before, ok := Processor()
	if !ok {
		t.Skip("this system does not report it")
	}
	time.Sleep(50 * time.Millisecond)
	slept, _ := Processor()
	sum := 0.0
	for begun := slept; begun-slept < 50*time.Millisecond; begun, _ = Processor() {
		for k := range 1000000 {
			sum += math.Sqrt(float64(k))
		}
	}
	worked, _ := Processor()
	if slept-before > 40*time.Millisecond || worked-slept < 50*time.Millisecond || sum == 0 {
		t.Errorf("a sleep of 50 ms took %v of the processors, and work %v", slept-before, worked-slept)
	}
}

func TestWhatDoesNotFitNamesTheSettingAndTheSize(t *testing.T) {
	known := slices.Contains([]string{"linux", "darwin", "windows", "freebsd", "netbsd", "openbsd", "dragonfly"},
		runtime.GOOS)
	if left, ok := Available(); ok != known || ok && (left < 1<<20 || left > 1<<50) {
		t.Fatalf("%d bytes left, %v; want some of a machine's, known: %v", left, ok, known)
	}
	if err := Check("data.n 5", 1<<10); err != nil {
		t.Error(err)
	}
	err := Check("data.n 1000000000000", 8e12*1000)
	if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "data.n 1000000000000 needs more memory than "+
		"there is: at least 8 PB, and ") {
		t.Errorf("%v", err)
	}
	if Check("x", math.Inf(1)) == nil || Check("x", math.NaN()) == nil {
		t.Error("no size is a size that fits")
	}
	for bytes, want := range map[float64]string{0: "0 bytes", 999: "999 bytes", 1500: "1.5 kB", 999_600: "1 MB",
		2.5e9: "2.5 GB", 1e30: "1e+12 EB"} {
		if got := Size(bytes); got != want {
			t.Errorf("%g bytes are %q, want %q", bytes, got, want)
		}
	}
}

// takes is the variable of the environment that makes this test binary a program which holds so many megabytes,
// and starts another with half of them.
const takes = "FLOWMATCH_TEST_TAKES"

func TestMain(m *testing.M) {
	if mb, err := strconv.Atoi(os.Getenv(takes)); err == nil {
		hold(mb)
		return
	}
	os.Exit(m.Run())
}

// hold takes megabytes until its input ends, which it says by a line, and has another process take half of them.
func hold(mb int) {
	x := make([]byte, mb<<20)
	for i := 0; i < len(x); i += 512 {
		x[i] = 1
	}
	if mb > 60 {
		cmd, in, _ := holding(mb / 2)
		defer cmd.Wait()
		defer in.Close()
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	runtime.KeepAlive(x)
}

// holding starts such a program and waits until it holds what it is to.
func holding(mb int) (*exec.Cmd, io.Closer, error) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), takes+"="+strconv.Itoa(mb))
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err == nil {
		_, err = bufio.NewReader(out).ReadString('\n')
	}
	return cmd, in, err
}

// A process is counted with those that it has started, and after its end by the larger of them.
func TestWhatOtherProcessesHold(t *testing.T) {
	cmd, in, err := holding(100)
	if err != nil {
		t.Fatal(err)
	}
	if now, peak := Tree(cmd.Process.Pid); runtime.GOOS == "linux" && (now < 150<<20 || now > 300<<20) || peak < now {
		t.Errorf("the tree holds %d bytes, and held %d; want 150 MB and a little", now, peak)
	}
	if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
		t.Fatal(err)
	}
	if peak := Ended(cmd.ProcessState); peak != 0 && peak < 100<<20 {
		t.Errorf("it held %d bytes, want 100 MB and a little", peak)
	}
	if now, peak := Tree(cmd.Process.Pid); now != 0 || peak != 0 {
		t.Errorf("a process that has ended holds %d bytes, and held %d", now, peak)
	}
}
