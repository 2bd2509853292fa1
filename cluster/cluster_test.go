package cluster_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"flowmatch/cluster"
	"flowmatch/cluster/clustertest"
)

func TestRanksTogether(t *testing.T) {
	for _, n := range []int{2, 3} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			c := clustertest.In(t, n)
			if c == nil {
				return
			}
			if c.Size() != n {
				t.Fatalf("%d ranks, want %d", c.Size(), n)
			}
			sumsInOrder(t, c)
			bytesToAll(t, c)
			partsToAll(t, c)
			errorOfOne(t, c)
		})
	}
}

// numbers are those of a rank.
func numbers[T float32 | float64](rank, n int) []T {
	rng := rand.New(rand.NewPCG(7, uint64(rank)))
	x := make([]T, n)
	for i := range x {
		x[i] = T(rng.NormFloat64() * 1e3)
	}
	return x
}

func sums[T float32 | float64](t *testing.T, c *cluster.Comm, n int) {
	t.Helper()
	want := make([]T, n)
	all := make([][]T, c.Size())
	for r := range all {
		all[r] = numbers[T](r, n)
	}
	for i := range want {
		s := 0.
		for r := range all {
			s += float64(all[r][i])
		}
		want[i] = T(s)
	}
	got := numbers[T](c.Rank(), n)
	later := slices.Clone(got)
	if err := cluster.Sum(c, got); err != nil {
		t.Fatal(err)
	}
	wait := cluster.Begin(c, later)
	time.Sleep(time.Duration(c.Rank()) * time.Millisecond) // one computes for longer
	if err := wait(); err != nil || !slices.Equal(later, got) {
		t.Errorf("%d numbers of %T, summed while the rank computes, are others (%v)", n, got[0], err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d numbers of %T are not the sums over %d ranks in their order, to the bit", n, got[0], c.Size())
	}
}

func sumsInOrder(t *testing.T, c *cluster.Comm) {
	for _, n := range []int{1, 2, 7, 1 << 18, 3<<18 - 5} {
		sums[float32](t, c, n)
	}
	sums[float64](t, c, 1<<18+1)
	if s := c.Stats(); s.Sums != 12 || s.Bytes == 0 || !(s.Seconds > 0) ||
		!(s.Hidden > 0 && s.Hidden < s.Seconds) {
		t.Errorf("stats are %+v after 12 sums", s)
	}
}

func bytesToAll(t *testing.T, c *cluster.Comm) {
	got, err := c.Gather([]byte(strings.Repeat("x", c.Rank())))
	if err != nil {
		t.Fatal(err)
	}
	for r, text := range got {
		if string(text) != strings.Repeat("x", r) {
			t.Errorf("rank %d gave %q", r, text)
		}
	}
	x := numbers[float32](c.Rank(), 1000)
	if err := cluster.Broadcast(c, x, c.Size()-1); err != nil || !slices.Equal(x, numbers[float32](c.Size()-1, 1000)) {
		t.Errorf("a broadcast changed the numbers (%v)", err)
	}
	each, err := c.Gathered(float64(10 * c.Rank()))
	for r, v := range each {
		if v != float64(10*r) || err != nil {
			t.Errorf("rank %d gave %g (%v)", r, v, err)
		}
	}
	i, j := c.Share(10)
	ends, err := c.Gathered(float64(j))
	if before := c.Rank() - 1; err != nil || before >= 0 && ends[before] != float64(i) || ends[c.Size()-1] != 10 {
		t.Errorf("the shares of 10 end at %v, and this begins at %d (%v)", ends, i, err)
	}
}

// partsToAll has rank r with r numbers, of which the first rank has none.
func partsToAll(t *testing.T, c *cluster.Comm) {
	var ends []int
	var want []float64
	for r := range c.Size() {
		for range r {
			want = append(want, 1/float64(r))
		}
		ends = append(ends, len(want))
	}
	got := make([]float64, len(want))
	copy(got[ends[c.Rank()]-c.Rank():ends[c.Rank()]], want[ends[c.Rank()]-c.Rank():])
	before := c.Stats()
	if err := cluster.Spread(c, got, ends); err != nil || !slices.Equal(got, want) {
		t.Errorf("the parts of all ranks are %v, want %v (%v)", got, want, err)
	}
	if sent := c.Stats().Bytes - before.Bytes; sent != int64(8*c.Rank()*(c.Size()-1)) {
		t.Errorf("rank %d sent %d bytes, want those of its %d numbers to all others", c.Rank(), sent, c.Rank())
	}
}

func errorOfOne(t *testing.T, c *cluster.Comm) {
	if err := c.Agree(nil); err != nil {
		t.Fatalf("nobody failed, and the error is %v", err)
	}
	own := errors.New("the disk is full")
	failing := c.Size() - 1
	if c.Rank() != failing {
		own = nil
	}
	err := c.Agree(own)
	if c.Rank() == failing {
		if !errors.Is(err, own) {
			t.Errorf("the failing rank has the error %v", err)
		}
		return
	}
	var of *cluster.RankError
	if !errors.As(err, &of) || of.Rank != failing || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("another rank has the error %v", err)
	}
}

func TestAJobOfOneRankNeedsNoLauncher(t *testing.T) {
	opened, err := cluster.Open()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*cluster.Comm{nil, opened} {
		x := []float32{1, 2}
		all, gathered := c.Gather([]byte("a"))
		err := errors.Join(cluster.Sum(c, x), cluster.Begin(c, x)(), cluster.Broadcast(c, x, 0), c.Barrier(),
			c.Agree(nil), gathered, c.Close())
		if i, j := c.Share(5); err != nil || c.Size() != 1 || c.Rank() != 0 || i != 0 || j != 5 || x[1] != 2 ||
			len(all) != 1 || string(all[0]) != "a" {
			t.Errorf("a job of one rank: %v, %v, %q", err, x, all)
		}
		own := errors.New("own")
		if got := c.Agree(own); !errors.Is(got, own) {
			t.Errorf("its error is %v", got)
		}
	}
}

// Without MPI k processes of a launcher would be k trainings of the same run.
func TestSeveralProcessesWithoutMPIAreAnError(t *testing.T) {
	if cluster.WithMPI {
		t.Skip("this test is of a build without the tag mpi")
	}
	for _, c := range []struct {
		env  []string
		want bool // an error
	}{
		{[]string{"OMPI_COMM_WORLD_SIZE", "4"}, true},
		{[]string{"OMPI_COMM_WORLD_SIZE", "1"}, false},
		{[]string{"PMI_RANK", "0", "PMI_SIZE", "2"}, true},
		{[]string{"PMIX_RANK", "0", "SLURM_STEP_NUM_TASKS", "2"}, true},
		{[]string{"PMIX_RANK", "0", "SLURM_STEP_NUM_TASKS", "1"}, false},
		{[]string{"OMPI_COMM_WORLD_SIZE", "1", "PMIX_RANK", "0", "SLURM_STEP_NUM_TASKS", "3"}, false},
	} {
		t.Run(strings.Join(c.env, " "), func(t *testing.T) {
			for i := 0; i < len(c.env); i += 2 {
				t.Setenv(c.env[i], c.env[i+1])
			}
			if err := cluster.Start(); !cluster.Launched() || errors.Is(err, cluster.ErrNoMPI) != c.want {
				t.Errorf("launched %t, and the error is %v", cluster.Launched(), err)
			}
		})
	}
}
