//go:build mpi

package cluster

/*
#cgo pkg-config: ompi-c
#include <stdlib.h>
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
static int NAME(T *x, long n, int size, int rank) { \
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
			code = MPI_Wait(&out[b & 1], MPI_STATUS_IGNORE); \
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
			code = MPI_Wait(&in[k], MPI_STATUS_IGNORE); \
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
	for (int k = 0; k < 2 && !code; k++) code = MPI_Wait(&out[k], MPI_STATUS_IGNORE); \
	free(got); \
	free(ints); \
	return code; \
}

FM_SUM(fm_sum_float, float, MPI_FLOAT)
FM_SUM(fm_sum_double, double, MPI_DOUBLE)
*/
import "C"

import (
	"errors"
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

// sum adds x up, and returns the bytes that this rank sent: twice all but its own share.
func sum[T float32 | float64](size, rank int, x []T) (sent int64, err error) {
	p, n := unsafe.Pointer(unsafe.SliceData(x)), C.long(len(x))
	var code C.int
	if unsafe.Sizeof(x[0]) == unsafe.Sizeof(float32(0)) {
		code = C.fm_sum_float((*C.float)(p), n, C.int(size), C.int(rank))
	} else {
		code = C.fm_sum_double((*C.double)(p), n, C.int(size), C.int(rank))
	}
	bytes := int64(len(x)) * int64(unsafe.Sizeof(x[0]))
	return 2 * bytes * int64(size-1) / int64(size), failure(code)
}

// bytesOf returns the memory of x.
func bytesOf[T byte | float32 | float64](x []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*int(unsafe.Sizeof(x[0])))
}
