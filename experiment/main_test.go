package experiment_test

import (
	"os"
	"testing"
)

// TestMain keeps the key that runs are sealed with out of the user's folder.
func TestMain(m *testing.M) {
	home, err := os.MkdirTemp("", "flowmatch-experiment")
	if err != nil {
		panic(err)
	}
	os.Setenv("XDG_CONFIG_HOME", home)
	os.Setenv("AppData", home)
	code := m.Run()
	os.RemoveAll(home)
	os.Exit(code)
}
