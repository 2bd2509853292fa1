// Command serving compares services of the same networks under load: flowmatch serve, and FastAPI with
// PyTorch (bench/peers/serve_torch.py). It prints a table for docs/serving.md.
//
//	go run ./cmd/flowmatch/internal/serving -bin ./flowmatch -python DIR/bin/python
package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"flowmatch/internal/memory"
)

// kind is a network that is served, and what a client asks for.
type kind struct {
	name, run string // the run file
	n, steps  int
}

var kinds = []kind{
	{"mlp", "seed: 1\ndata: {name: moons, val: 50, test: 50}\nnet: {hidden: [256, 256, 256]}\n" +
		"train: {steps: 20, batch: 64}\neval: {samples: 50}\n", 10, 20},
	{"unet", "seed: 1\ndata: {path: x-images-idx3-ubyte, labels_path: x-labels-idx1-ubyte, val: 10, test: 10}\n" +
		"conditional: true\nnet: {unet: {channels: 32, mult: [1, 2, 2], blocks: 1, attention: [7], " +
		"head_channels: 32}}\ntrain: {steps: 2, batch: 8}\n", 1, 10},
}

// load is how services are asked.
type load struct {
	clients int
	whole   time.Duration
	only    string // networks whose names have this
}

// figures are those of a service.
type figures struct {
	cold   time.Duration // from its start to its first answer
	rate   float64       // requests a second
	p50    time.Duration
	p99    time.Duration
	memory int64 // bytes at most
}

// service is one that can be started: the command, and the URL of samples.
type service struct {
	name string
	args func(port string) []string
	path string
}

func main() {
	bin := flag.String("bin", "", "the program")
	python := flag.String("python", "", "a Python with torch, fastapi and uvicorn")
	peers := flag.String("peers", "bench/peers", "the folder of serve_torch.py")
	clients := flag.Int("clients", 32, "clients")
	seconds := flag.Int("seconds", 10, "of load on each service, each time")
	threads := flag.Int("threads", runtime.NumCPU(), "threads of PyTorch")
	pairs := flag.Int("pairs", 3, "times that the services take turns")
	only := flag.String("only", "", "networks whose names have this: mlp, unet")
	flag.Parse()
	l := load{*clients, time.Duration(*seconds) * time.Second, *only}
	if err := compare(*bin, *python, *peers, *threads, *pairs, l); err != nil {
		fmt.Fprintln(os.Stderr, "serving:", err)
		os.Exit(1)
	}
}

// compare prints the table: of each figure the median over the pairs.
func compare(bin, python, peers string, threads, pairs int, l load) error {
	dir, err := os.MkdirTemp("", "serving")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Printf("%d clients, %v on each service, %d times in turn; %d cores, %d threads of PyTorch\n\n", l.clients,
		l.whole, pairs, runtime.NumCPU(), threads)
	fmt.Println("| network | service | requests/s | p50 | p99 | memory at most | first answer after |")
	fmt.Println("| --- | --- | --- | --- | --- | --- | --- |")
	for _, k := range kinds {
		if !strings.Contains(k.name, l.only) {
			continue
		}
		if err := trained(bin, dir, k); err != nil {
			return err
		}
		services := []service{
			{"flowmatch serve", func(port string) []string {
				return []string{bin, "serve", "-q", filepath.Join(dir, k.name), "--addr", "127.0.0.1:" + port}
			}, "/v1/models/" + k.name + "/sample"},
			{"FastAPI + PyTorch", func(port string) []string {
				return []string{python, "-B", filepath.Join(peers, "serve_torch.py"), port,
					strconv.Itoa(threads), k.name}
			}, "/sample"},
		}
		all := make([][]figures, len(services))
		for range pairs {
			for i, s := range services {
				f, err := measure(s, k, l)
				if err != nil {
					return fmt.Errorf("%s of %s: %w", s.name, k.name, err)
				}
				all[i] = append(all[i], f)
			}
		}
		for i, s := range services {
			f := median(all[i])
			fmt.Printf("| %s | %s | %.3g | %s | %s | %.0f MiB | %s |\n", k.name, s.name, f.rate, ms(f.p50), ms(f.p99),
				float64(f.memory)/(1<<20), ms(f.cold))
		}
	}
	return nil
}

func ms(d time.Duration) string { return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond)) }

// trained makes the run of a kind.
func trained(bin, dir string, k kind) error {
	const n, side = 100, 28
	images := []byte{0, 0, 8, 3, 0, 0, 0, n, 0, 0, 0, side, 0, 0, 0, side}
	labels := []byte{0, 0, 8, 1, 0, 0, 0, n}
	for i := range n {
		labels = append(labels, byte(i%10))
	}
	for i := range n * side * side {
		images = append(images, byte(i*i))
	}
	for name, b := range map[string][]byte{"x-images-idx3-ubyte": images, "x-labels-idx1-ubyte": labels,
		k.name + ".yaml": []byte(k.run)} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			return err
		}
	}
	cmd := exec.Command(bin, "train", filepath.Join(dir, k.name+".yaml"), "--out", filepath.Join(dir, k.name), "-q")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// measure starts a service, waits for its first answer, and asks it.
func measure(s service, k kind, l load) (f figures, err error) {
	port, err := freePort()
	if err != nil {
		return f, err
	}
	args := s.args(port)
	var stderr bytes.Buffer
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = &stderr
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return f, err
	}
	defer func() {
		cmd.Process.Kill() // one under way would hold the cores of the next
		cmd.Wait()
	}()
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = l.clients
	url := "http://127.0.0.1:" + port + s.path
	ask := func(seed int) error { return post(url, k, seed) }
	for err = ask(0); err != nil; err = ask(0) {
		if time.Since(start) > 5*time.Minute {
			return f, fmt.Errorf("%w: %s", err, stderr.String())
		}
		time.Sleep(2 * time.Millisecond)
	}
	f.cold = time.Since(start)
	begin := time.Now()
	times, err := under(l, ask)
	if err != nil {
		return f, err
	}
	f.rate = float64(len(times)) / time.Since(begin).Seconds() // also of those that end after the time
	slices.Sort(times)
	f.p50, f.p99 = times[len(times)/2], times[len(times)*99/100]
	if _, f.memory = memory.Tree(cmd.Process.Pid); f.memory == 0 {
		return f, errors.New("this system does not say how much memory a service has held; run it on Linux")
	}
	return f, nil
}

// under asks by as many clients as there are, and returns how long each request took.
func under(l load, ask func(seed int) error) (times []time.Duration, err error) {
	var mu sync.Mutex
	var group sync.WaitGroup
	ctx, cancel := context.WithTimeout(context.Background(), l.whole)
	defer cancel()
	for c := range l.clients {
		group.Go(func() {
			for k := 1; ctx.Err() == nil; k++ {
				begin := time.Now()
				failed := ask(c*1_000_000 + k)
				mu.Lock()
				err = cmp.Or(err, failed)
				times = append(times, time.Since(begin))
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return times, err
}

// post asks for samples.
func post(url string, k kind, seed int) error {
	body := fmt.Sprintf(`{"n": %d, "seed": %d, "steps": %d`, k.n, seed, k.steps)
	if strings.Contains(url, "/v1/") {
		body += `, "solver": "euler"`
	}
	resp, err := http.Post(url, "application/json", strings.NewReader(body+"}"))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %.200s", resp.StatusCode, text)
	}
	return err
}

// freePort is one that nobody listens on.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// median returns the median of each figure.
func median(all []figures) (f figures) {
	mid := func(v func(figures) float64) float64 {
		values := make([]float64, len(all))
		for i, one := range all {
			values[i] = v(one)
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	f.rate = mid(func(f figures) float64 { return f.rate })
	f.cold = time.Duration(mid(func(f figures) float64 { return float64(f.cold) }))
	f.p50 = time.Duration(mid(func(f figures) float64 { return float64(f.p50) }))
	f.p99 = time.Duration(mid(func(f figures) float64 { return float64(f.p99) }))
	f.memory = int64(mid(func(f figures) float64 { return float64(f.memory) }))
	return f
}
