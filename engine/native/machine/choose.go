package machine

// Choose returns the sizes that suit a machine of which so many threads are busy. It is a pure function.
//
// Block, Columns and Pixels keep a sixth, a half and a quarter of a thread's share of the second cache;
// the tensors of a tile may take twice the share: they are written once and read once or twice, which
// streams well, while weights are read again for every tile. Eight strips fit the first cache.
func Choose(m Model, threads int) Sizes {
	m = Model{}.or(m).complete(threads)
	l1 := clamp(m.L1.Share(threads), 8<<10, 256<<10)
	l2 := clamp(m.L2.Share(threads), 128<<10, 8<<20)
	return Sizes{
		Tile:    clamp(2*l2, 512<<10, 8<<20) &^ 63,
		Rows:    128,
		Strip:   clamp(floor2(l1/32), 512, 4096),
		Block:   clamp(168*(l2>>10)/1024, 42, 672),
		Columns: clamp(floor2(l2/2048), 128, 2048),
		Pixels:  clamp(floor2(l2/16), 1<<14, 1<<18),
	}
}

func clamp(n, least, most int) int { return min(max(n, least), most) }

// floor2 is the largest power of two that is at most n, which is positive.
func floor2(n int) int {
	p := 1
	for 2*p <= n {
		p *= 2
	}
	return p
}
