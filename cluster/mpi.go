//go:build mpi

package cluster

/*
#cgo pkg-config: ompi-c
#cgo LDFLAGS: -lpthread
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <mpi.h>

static int fm_start(int *rank, int *size) {
	int had, code = MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &had);
	if (code) return code;
	if (had < MPI_THREAD_SERIALIZED) return MPI_ERR_OTHER;
	MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
	MPI_Comm_rank(MPI_COMM_WORLD, rank);
	return MPI_Comm_size(MPI_COMM_WORLD, size);
}

static int fm_broadcast(void *x, long n, int from) {
	const long most = 1L << 30;
	int code = 0;
	for (long at = 0; at < n && !code; at += most)
		code = MPI_Bcast((char *)x + at, (int)(n - at < most ? n - at : most), MPI_BYTE, from, MPI_COMM_WORLD);
	return code;
}

static int fm_gather(double *x) {
	return MPI_Allgather(MPI_IN_PLACE, 1, MPI_DOUBLE, x, 1, MPI_DOUBLE, MPI_COMM_WORLD);
}

static int fm_finalize(void) { return MPI_Finalize(); }
static void fm_abort(int code) { MPI_Abort(MPI_COMM_WORLD, code); }
static void fm_text(int code, char *text) { int n; MPI_Error_string(code, text, &n); }

// fm_wait waits for a request. Until there is a hurry (NULL: there is) it leaves the core to what is computed
// meanwhile, and looks now and then.
static int fm_wait(MPI_Request *r, volatile int *hurry) {
	const struct timespec nap = {0, 20000};
	int done = 0, code = 0;
	while (hurry && !*hurry && !done && !code) {
		code = MPI_Test(r, &done, MPI_STATUS_IGNORE);
		if (!done && !code) nanosleep(&nap, NULL);
	}
	return done || code ? code : MPI_Wait(r, MPI_STATUS_IGNORE);
}

// A sum goes block by block. Of a block each rank adds up one piece, of which it gets those of
// all ranks, and hands the sum on to all: every number is added up once, by one rank, in the
// order of the ranks. While a block is added up the next one is under way, and so are the sums
// of the one before.
typedef struct { int *counts, *starts, *places; } fm_cut;

static void fm_divide(fm_cut c, int size, long n, int piece) {
	for (int r = 0; r < size; r++) {
		long from = n * r / size, to = n * (r + 1) / size;
		c.counts[r] = (int)(to - from);
		c.starts[r] = (int)from;
		c.places[r] = r * piece;
	}
}

#define FM_SUM(NAME, T, TYPE) \
static int NAME(T *x, long n, int size, int rank, volatile int *hurry) { \
	const long block = 1L << 18; \
	long blocks = (n + block - 1) / block; \
	int piece = (int)((block + size - 1) / size), code = 0; \
	T *got = malloc(2 * sizeof(T) * (size_t)piece * size); \
	int *ints = malloc(2 * 4 * sizeof(int) * size); \
	MPI_Request in[2] = {MPI_REQUEST_NULL, MPI_REQUEST_NULL}, out[2] = {MPI_REQUEST_NULL, MPI_REQUEST_NULL}; \
	if (!got || !ints) { free(got); free(ints); return MPI_ERR_NO_MEM; } \
	for (long b = 0; b <= blocks && !code; b++) { \
		if (b < blocks) { \
			int *at = ints + (b & 1) * 4 * size, *mine = at + 3 * size; \
			fm_cut c = {at, at + size, at + 2 * size}; \
			code = fm_wait(&out[b & 1], hurry); \
			if (code) break; \
			fm_divide(c, size, n - b * block < block ? n - b * block : block, piece); \
			for (int r = 0; r < size; r++) mine[r] = c.counts[rank]; \
			code = MPI_Ialltoallv(x + b * block, c.counts, c.starts, TYPE, got + (b & 1) * (long)piece * size, \
				mine, c.places, TYPE, MPI_COMM_WORLD, &in[b & 1]); \
		} \
		if (b > 0 && !code) { \
			long k = (b - 1) & 1; \
			int *at = ints + k * 4 * size; \
			T *parts = got + k * (long)piece * size, *to = x + (b - 1) * block + at[size + rank]; \
			code = fm_wait(&in[k], hurry); \
			if (code) break; \
			for (long i = 0; i < at[rank]; i++) { \
				double s = parts[i]; \
				for (int r = 1; r < size; r++) s += parts[(long)r * piece + i]; \
				to[i] = (T)s; \
			} \
			code = MPI_Iallgatherv(MPI_IN_PLACE, 0, TYPE, x + (b - 1) * block, at, at + size, TYPE, \
				MPI_COMM_WORLD, &out[k]); \
		} \
	} \
	for (int k = 0; k < 2 && !code; k++) code = fm_wait(&out[k], hurry); \
	free(got); \
	free(ints); \
	return code; \
}

FM_SUM(fm_sum_float, float, MPI_FLOAT)
FM_SUM(fm_sum_double, double, MPI_DOUBLE)

// A sum in a thread of its own, which the scheduler of Go does not know of: it would have it wait for what
// computes.
typedef struct {
	pthread_t thread;
	void *x;
	long n;
	int size, rank, wide, code, alone;
	volatile int hurry;
	double seconds;
} fm_job;

static double fm_now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + 1e-9 * t.tv_nsec;
}

static void *fm_work(void *of) {
	fm_job *j = of;
	double from = fm_now();
	j->code = j->wide ? fm_sum_double(j->x, j->n, j->size, j->rank, &j->hurry)
		: fm_sum_float(j->x, j->n, j->size, j->rank, &j->hurry);
	j->seconds = fm_now() - from;
	return NULL;
}

static fm_job *fm_begin(void *x, long n, int size, int rank, int wide) {
	fm_job *j = calloc(1, sizeof *j);
	if (!j) return NULL;
	j->x = x; j->n = n; j->size = size; j->rank = rank; j->wide = wide;
	j->alone = pthread_create(&j->thread, NULL, fm_work, j) != 0; // there is no thread to be had
	return j;
}

static int fm_end(fm_job *j, double *seconds) {
	if (!j) return MPI_ERR_NO_MEM;
	j->hurry = 1;
	if (j->alone) fm_work(j);
	else pthread_join(j->thread, NULL);
	int code = j->code;
	*seconds = j->seconds;
	free(j);
	return code;
}
*/
import "C"

import (
	"errors"
	"runtime"
	"unsafe"
)

// WithMPI says whether this binary was built with MPI.
const WithMPI = true

// failure is the error of a code of MPI; nil: it is none.
func failure(code C.int) error {
	if code == 0 {
		return nil
	}
	text := (*C.char)(C.malloc(C.MPI_MAX_ERROR_STRING))
	defer C.free(unsafe.Pointer(text))
	C.fm_text(code, text)
	return errors.New(C.GoString(text))
}

func start() (rank, size int, err error) {
	var r, s C.int
	err = failure(C.fm_start(&r, &s))
	return int(r), int(s), err
}

func finalize() error { return failure(C.fm_finalize()) }

func abort(code int) { C.fm_abort(C.int(code)) }

func broadcast(x []byte, from int) error {
	return failure(C.fm_broadcast(unsafe.Pointer(unsafe.SliceData(x)), C.long(len(x)), C.int(from)))
}

func gather(x []float64, _ int) error {
	return failure(C.fm_gather((*C.double)(unsafe.SliceData(x))))
}

// sum adds x up, and returns the bytes that this rank sent.
func sum[T float32 | float64](size, rank int, x []T) (sent int64, err error) {
	p, n := unsafe.Pointer(unsafe.SliceData(x)), C.long(len(x))
	var code C.int
	if wide(x) == 0 {
		code = C.fm_sum_float((*C.float)(p), n, C.int(size), C.int(rank), nil)
	} else {
		code = C.fm_sum_double((*C.double)(p), n, C.int(size), C.int(rank), nil)
	}
	return sends(size, x), failure(code)
}

// beginSum begins a sum, which end waits for.
func beginSum[T float32 | float64](size, rank int, x []T) (end func() (sent int64, seconds float64, err error)) {
	var pin runtime.Pinner
	p := unsafe.SliceData(x)
	pin.Pin(p)
	job := C.fm_begin(unsafe.Pointer(p), C.long(len(x)), C.int(size), C.int(rank), wide(x))
	return func() (int64, float64, error) {
		defer pin.Unpin()
		var seconds C.double
		err := failure(C.fm_end(job, &seconds))
		return sends(size, x), float64(seconds), err
	}
}

// wide says whether numbers have eight bytes.
func wide[T float32 | float64](x []T) C.int {
	if unsafe.Sizeof(x[0]) == unsafe.Sizeof(float32(0)) {
		return 0
	}
	return 1
}

// sends returns the bytes that a rank sends in a sum: twice all but its own share.
func sends[T float32 | float64](size int, x []T) int64 {
	return 2 * int64(len(x)) * int64(unsafe.Sizeof(x[0])) * int64(size-1) / int64(size)
}

// bytesOf returns the memory of x.
func bytesOf[T byte | float32 | float64](x []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*int(unsafe.Sizeof(x[0])))
}
