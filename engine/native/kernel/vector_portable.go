package kernel

import (
	"math"
	"unsafe"
)

// as reads a pointer to float32 as one to another type.
func as[T any](p *float32) *T { return (*T)(unsafe.Pointer(p)) }

func truth(b bool) float32 {
	if b {
		return 1
	}
	return 0
}

// rounded makes a function of float32 of one of float64.
func rounded(f func(float64) float64) func(float32) float32 {
	return func(x float32) float32 { return float32(f(float64(x))) }
}

var unaryGo = [numUnary]func(x float32) float32{
	Neg:      func(x float32) float32 { return -x },
	Abs:      func(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) },
	Sign:     signGo,
	Square:   func(x float32) float32 { return x * x },
	Sqrt:     rounded(math.Sqrt),
	Rsqrt:    rounded(func(x float64) float64 { return 1 / math.Sqrt(x) }),
	Recip:    func(x float32) float32 { return 1 / x },
	Exp:      rounded(math.Exp),
	Expm1:    rounded(math.Expm1),
	Log:      rounded(math.Log),
	Log1p:    rounded(math.Log1p),
	Sin:      rounded(math.Sin),
	Cos:      rounded(math.Cos),
	Tanh:     rounded(math.Tanh),
	Sigmoid:  rounded(func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }),
	SiLU:     rounded(siluGo),
	Erf:      rounded(math.Erf),
	Floor:    rounded(math.Floor),
	Ceil:     rounded(math.Ceil),
	Round:    rounded(math.RoundToEven),
	IsFinite: func(x float32) float32 { return truth(x-x == 0) },
	IsNaN:    func(x float32) float32 { return truth(x != x) },
	Not:      func(x float32) float32 { return truth(x == 0) },
	Copy:     func(x float32) float32 { return x },
	RoundBF16: func(x float32) float32 {
		var h uint16
		toBF16Go(1, &h, &x)
		return math.Float32frombits(uint32(h) << 16)
	},
}

func signGo(x float32) float32 {
	if x > 0 {
		return 1
	} else if x < 0 {
		return -1
	}
	return x
}

func siluGo(x float64) float64 {
	if math.IsInf(x, -1) {
		return math.Copysign(0, -1)
	}
	return x / (1 + math.Exp(-x))
}

func isTrue(x float32) bool { return x != 0 }

var binaryGo = [numBinary]func(a, b float32) float32{
	Add:   func(a, b float32) float32 { return a + b },
	Sub:   func(a, b float32) float32 { return a - b },
	Mul:   func(a, b float32) float32 { return a * b },
	Div:   func(a, b float32) float32 { return a / b },
	Max:   func(a, b float32) float32 { return max(a, b) },
	Min:   func(a, b float32) float32 { return min(a, b) },
	Pow:   func(a, b float32) float32 { return float32(math.Pow(float64(a), float64(b))) },
	Rem:   func(a, b float32) float32 { return float32(math.Mod(float64(a), float64(b))) },
	Atan2: func(a, b float32) float32 { return float32(math.Atan2(float64(a), float64(b))) },
	Eq:    func(a, b float32) float32 { return truth(a == b) },
	Ne:    func(a, b float32) float32 { return truth(a != b) },
	Lt:    func(a, b float32) float32 { return truth(a < b) },
	Le:    func(a, b float32) float32 { return truth(a <= b) },
	Gt:    func(a, b float32) float32 { return truth(a > b) },
	Ge:    func(a, b float32) float32 { return truth(a >= b) },
	And:   func(a, b float32) float32 { return truth(isTrue(a) && isTrue(b)) },
	Or:    func(a, b float32) float32 { return truth(isTrue(a) || isTrue(b)) },
	Xor:   func(a, b float32) float32 { return truth(isTrue(a) != isTrue(b)) },
}

// portableLoops fills a table with loops in Go.
func portableLoops(v *Vector) {
	for op, f := range unaryGo {
		v.Unary[op] = func(n int, dst, x *float32) {
			d, s := slice(dst, n), slice(x, n)
			for i := range d {
				d[i] = f(s[i])
			}
		}
	}
	v.Unary[Copy] = func(n int, dst, x *float32) { copy(slice(dst, n), slice(x, n)) }
	for op, f := range binaryGo {
		v.Binary[op] = func(n int, dst, a, b *float32) {
			d, s, t := slice(dst, n), slice(a, n), slice(b, n)
			for i := range d {
				d[i] = f(s[i], t[i])
			}
		}
		v.BinaryVS[op] = func(n int, dst, a *float32, s float32) {
			d, t := slice(dst, n), slice(a, n)
			for i := range d {
				d[i] = f(t[i], s)
			}
		}
		v.BinarySV[op] = func(n int, dst *float32, s float32, b *float32) {
			d, t := slice(dst, n), slice(b, n)
			for i := range d {
				d[i] = f(s, t[i])
			}
		}
	}
	v.MulAdd, v.MulSub, v.NegMulAdd = mulAddGo, mulSubGo, negMulAddGo
	v.MulAddS, v.Affine, v.Lerp2 = mulAddSGo, affineGo, lerp2Go
	v.Select, v.Fill, v.Dot, v.Adam = selectGo, fillGo, dotGo, adamGo
	v.FromF64, v.ToF64 = convertGo[float64, float32], convertGo[float32, float64]
	v.FromI32, v.ToI32 = convertGo[int32, float32], convertGo[float32, int32]
	v.FromBool, v.ToBool = convertGo[uint8, float32], toBoolGo
	v.FromBF16, v.ToBF16 = fromBF16Go, toBF16Go
}
