package kernel

// assemblyDoubles are the products of a level in assembly.
func assemblyDoubles(l Level) *Doubles {
	switch l {
	case AMX, AVX512:
		return &Doubles{4, 4, double4x4AVX512, addDoublesAVX512, expDoublesAVX512}
	case AVX2:
		return &Doubles{4, 3, double4x3AVX256, addDoublesAVX256, expDoublesAVX256}
	}
	return nil
}
