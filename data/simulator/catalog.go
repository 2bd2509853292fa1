package simulator

import (
	"fmt"

	"flowmatch/data"
	"flowmatch/internal/choice"
)

// entry is one row of the table of tasks.
type entry struct {
	name  string
	build func() *Simulator
	doc   string // one line
	// Where its observations are: a folder of sbibm's files, and the file in each of its
	// folders. slcp_distractors and bernoulli_glm_raw have those of slcp and bernoulli_glm,
	// and their posteriors: distractors say nothing of θ, and the data of bernoulli_glm are
	// sufficient statistics of the raw ones.
	folder, file string
}

// entries is the table of tasks: a new one is a func and one row here.
func entries() []entry {
	const file = "observation.csv"
	return []entry{
		{"two_moons", twoMoons, "a crescent at one of two places; uniform prior", "two_moons", file},
		{"slcp", slcp, "four points of a normal law in the plane, whose mean and covariance are made of the " +
			"parameters; uniform prior", "slcp", file},
		{"slcp_distractors", slcpDistractors, "slcp among 92 numbers that know nothing of the parameters", "slcp",
			"observation_distractors.csv"},
		{"gaussian_linear", gaussianLinear, "the parameters with normal noise; normal prior", "gaussian_linear", file},
		{"gaussian_linear_uniform", gaussianLinearUniform, "the parameters with normal noise; uniform prior",
			"gaussian_linear_uniform", file},
		{"gaussian_mixture", gaussianMixture, "the parameters with noise that is wide or narrow; uniform prior",
			"gaussian_mixture", file},
		{"bernoulli_glm", bernoulliGLM, "statistics of the spikes of a neuron; normal prior", "bernoulli_glm", file},
		{"bernoulli_glm_raw", bernoulliGLMRaw, "whether a neuron spikes, in 100 bins; normal prior", "bernoulli_glm",
			"observation_raw.csv"},
		{"sir", sir, "infected of 1000 tested on ten days of an epidemic; log-normal prior", "sir", file},
		{"lotka_volterra", lotkaVolterra, "prey and predators at ten times; log-normal prior", "lotka_volterra", file},
	}
}

// Names returns the names of the simulators, in the order of the paper's list.
func Names() []string {
	var names []string
	for _, e := range entries() {
		names = append(names, e.name)
	}
	return names
}

// Catalog describes the simulators, in the order of [Names].
func Catalog() []data.Info {
	var all []data.Info
	for _, e := range entries() {
		s := e.build()
		doc := fmt.Sprintf("%d parameters given %d numbers: %s", len(s.Params), len(s.Data), e.doc)
		all = append(all, data.Info{Name: e.name, Doc: doc, Params: []string{"simulator", "n"}})
	}
	return all
}

// ByName returns a simulator of [Names]; an unknown name is an error that lists them.
//
//	name                     θ   x    prior        x given θ
//	two_moons                2   2    uniform      a crescent at one of two places
//	slcp                     5   8    uniform      four points of a normal law in the plane, whose
//	                                               mean and covariance are made of θ
//	slcp_distractors         5   100  uniform      the same among 92 numbers that know nothing of θ
//	gaussian_linear          10  10   normal       N(θ, 0.1·I)
//	gaussian_linear_uniform  10  10   uniform      N(θ, 0.1·I)
//	gaussian_mixture         2   2    uniform      N(θ, I) or N(θ, 0.01·I)
//	bernoulli_glm            10  10   normal       statistics of the spikes of a neuron
//	bernoulli_glm_raw        10  100  normal       whether it spikes, in 100 bins
//	sir                      2   10   log-normal   infected of 1000 tested, on ten days
//	lotka_volterra           4   20   log-normal   prey at ten times, then predators
func ByName(name string) (*Simulator, error) {
	e, err := lookUp(name)
	if err != nil {
		return nil, err
	}
	s := e.build()
	s.Name = e.name
	return s, nil
}

func lookUp(name string) (entry, error) {
	for _, e := range entries() {
		if e.name == name {
			return e, nil
		}
	}
	return entry{}, fmt.Errorf("simulator: %w", choice.Check("simulator", name, Names()))
}

// numbered returns the names name1, name2, ... of n numbers.
func numbered(name string, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("%s%d", name, i+1)
	}
	return names
}
