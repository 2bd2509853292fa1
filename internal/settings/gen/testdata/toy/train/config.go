// Package train is another package of the module.
package train

// Config is a section.
type Config struct {
	Loop `yaml:",inline"`
	// LR is the learning rate. Steps between two changes of LR are ten.
	LR float64 `yaml:"lr"`
}

// Loop is inline.
type Loop struct {
	Steps int `yaml:"steps" json:"steps"` // steps of training
}
