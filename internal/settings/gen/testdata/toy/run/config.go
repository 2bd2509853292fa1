// Package run has the root of a configuration.
package run

import (
	"time"

	"example.com/toy/empty"
	learn "example.com/toy/train"
)

// Config is the root.
type Config struct {
	// Seed is the number that all randomness
	// comes from; default 1.
	Seed  uint64       `yaml:"seed"`
	Train learn.Config `yaml:"train"`         // how to train: see [learn.Config]
	Net   *Net         `yaml:"net,omitempty"` // the network
	// RTol and ATol are the tolerances, in (0, 1]; [64, 64] is not one. SigmaMin is
	// another, of which Names lists none.
	RTol, ATol float64
	SigmaMin   float64          `yaml:"sigma_min"` // p_t's width: [Names] and [learn.Config.Steps] use it
	Tables     []Table          `yaml:"tables"`    // tables of a page
	Again      []*Config        `yaml:"again"`     // the same, once more
	Wait       time.Duration    `yaml:"wait"`      // a time
	Level      empty.Level      `yaml:"level"`     // a type that reads itself
	Free       map[string]Table // tables by name
	hidden     int
	Skipped    int `yaml:"-"`
}

// Net is a network.
type Net struct {
	Names []string `yaml:"names"` // "quoted" \ names
}

// Table is a table.
type Table struct {
	Title string // heads it
}
