package ode

// Euler is the explicit Euler method, order 1, 1 evaluation a step.
var Euler = &Tableau{
	Name: "euler", Order: 1, DenseOrder: 3,
	A: [][]float64{{}},
	B: []float64{1},
	C: []float64{0},
}

// Midpoint is the explicit midpoint method, order 2, 2 evaluations a step.
var Midpoint = &Tableau{
	Name: "midpoint", Order: 2, DenseOrder: 3,
	A: [][]float64{{}, {1. / 2}},
	B: []float64{0, 1},
	C: []float64{0, 1. / 2},
}

// Heun2 is Heun's method (the explicit trapezoidal rule), order 2, 2 evaluations
// a step, with Euler embedded as error estimate.
var Heun2 = &Tableau{
	Name: "heun2", Order: 2, ErrOrder: 1, DenseOrder: 3,
	A:    [][]float64{{}, {1}},
	B:    []float64{1. / 2, 1. / 2},
	BErr: []float64{-1. / 2, 1. / 2},
	C:    []float64{0, 1},
}

// RK4 is the classical Runge-Kutta method, order 4, 4 evaluations a step.
var RK4 = &Tableau{
	Name: "rk4", Order: 4, DenseOrder: 3,
	A: [][]float64{{}, {1. / 2}, {0, 1. / 2}, {0, 0, 1}},
	B: []float64{1. / 6, 1. / 3, 1. / 3, 1. / 6},
	C: []float64{0, 1. / 2, 1. / 2, 1},
}

// Bosh3 is the 3(2) pair of Bogacki and Shampine (Appl. Math. Lett. 2, 1989), 3
// evaluations a step (FSAL).
var Bosh3 = &Tableau{
	Name: "bosh3", Order: 3, ErrOrder: 2, DenseOrder: 3,
	A:    [][]float64{{}, {1. / 2}, {0, 3. / 4}, {2. / 9, 1. / 3, 4. / 9}},
	B:    []float64{2. / 9, 1. / 3, 4. / 9, 0},
	BErr: []float64{2./9 - 7./24, 1./3 - 1./4, 4./9 - 1./3, -1. / 8},
	C:    []float64{0, 1. / 2, 3. / 4, 1},
}

// Dopri5 is the 5(4) pair of Dormand and Prince (J. Comp. Appl. Math. 6, 1980),
// HNW table II.5.2, 6 evaluations a step (FSAL). Its continuous extension is the
// one of order 4 in Hairer's DOPRI5 (HNW section II.6).
var Dopri5 = &Tableau{
	Name: "dopri5", Order: 5, ErrOrder: 4,
	A: [][]float64{
		{},
		{1. / 5},
		{3. / 40, 9. / 40},
		{44. / 45, -56. / 15, 32. / 9},
		{19372. / 6561, -25360. / 2187, 64448. / 6561, -212. / 729},
		{9017. / 3168, -355. / 33, 46732. / 5247, 49. / 176, -5103. / 18656},
		{35. / 384, 0, 500. / 1113, 125. / 192, -2187. / 6784, 11. / 84},
	},
	B:    []float64{35. / 384, 0, 500. / 1113, 125. / 192, -2187. / 6784, 11. / 84, 0},
	BErr: []float64{71. / 57600, 0, -71. / 16695, 71. / 1920, -17253. / 339200, 22. / 525, -1. / 40},
	C:    []float64{0, 1. / 5, 3. / 10, 4. / 5, 8. / 9, 1, 1},
	Dense: [][]float64{{
		-12715105075. / 11282082432, 0, 87487479700. / 32700410799, -10690763975. / 1880347072,
		701980252875. / 199316789632, -1453857185. / 822651844, 69997945. / 29380423,
	}},
	DenseOrder: 4,
}

// Tsit5 is the 5(4) pair of Tsitouras (Comput. Math. Appl. 62, 2011), 6
// evaluations a step (FSAL), with its continuous extension of order 4.
var Tsit5 = &Tableau{
	Name: "tsit5", Order: 5, ErrOrder: 4,
	A: [][]float64{
		{},
		{0.161},
		{-0.008480655492356988544426874250, 0.335480655492356988544426874250},
		{2.897153057105493432130432594193, -6.359448489975074843148159912384, 4.362295432869581411017727318191},
		{5.325864828439256604428877920841, -11.748883564062827877747170339786, 7.495539342889836208304604784564,
			-0.092495066361755249256507},
		{5.861455442946420028659251486983, -12.920969317847109291706118681782, 8.159367898576158643180400794540,
			-0.071584973281400997224530542526, -0.028269050394068382909003057213},
		{0.096460766818065229518167313165, 0.01, 0.479889650414499574775249532291, 1.379008574103741893192274821857,
			-3.290069515436080679901047585711, 2.324710524099773982415355918399},
	},
	B: []float64{0.096460766818065229518167313165, 0.01, 0.479889650414499574775249532291,
		1.379008574103741893192274821857, -3.290069515436080679901047585711, 2.324710524099773982415355918399, 0},
	BErr: []float64{0.001780011052225771443378550608, 0.000816434459656746903223636023,
		-0.007880878010261996010314727673,
		0.144711007173262907537165147973, -0.582357165452555225018919937611,
		0.458082105929186946661636518833, -1. / 66},
	C: []float64{0, 0.161, 0.327, 0.9, 0.980025540904509685729810286287, 1, 1},
	Dense: [][]float64{{
		-1.0530884977290216, 0.1017, 2.490627285651252793, -16.54810288924490272,
		47.37952196281928122, -34.87065786149660974, 2.5,
	}},
	DenseOrder: 4,
}
