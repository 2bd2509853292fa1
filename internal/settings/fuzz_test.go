package settings

import (
	"reflect"
	"testing"

	"github.com/goccy/go-yaml"
)

// FuzzRead looks for panics, and for values that are not the same when they are written
// and read again.
func FuzzRead(f *testing.F) {
	for _, text := range []string{
		"", "seed: 1\ntrain: {steps: 1e4, lr: 3e-4, beta1: 0}\n", "label: 007\nname: 'it''s'\n",
		"free: {a: [1, x, ~, 2.5]}",
		"tables:\n- title: a\n  rows: {x: 1}\n- {}\n", "net: {unet: {channels: 8, mult: [1, 2]}}",
		"label: |\n  a\n  b\n", "free: {x: &x {steps: 7}}\ntrain:\n  <<: *x\n",
		"seed: 1\n---\nseed: 2\n", "%YAML 1.2\n---\nseed: 1\n", "? a\n: b\n", "hidden: &a [*a]",
		"label: !!str ~\nwindow: [1, 2]\nlevel: high",
		"hidden: [0x10, 0o7, -0, 1_0]", "params: {\"a b\": .5, \"\": 1}",
		"a: \"\\x00\"", "- - - 1", "train:\n\tsteps: 3",
	} {
		f.Add(text, "train.steps=3")
	}
	f.Add("train: {steps: 3}", "net.unet={channels: 3}")
	f.Add("", "free.a=")
	f.Add("", "free.0\xfd=")
	f.Add("free: {a: 5}", "free.b.c=[1, {d: 2}]")
	f.Fuzz(func(t *testing.T, text, setting string) {
		var c, again toy
		if given, err := Read(&c, File([]byte(text)), Setting(setting)); err != nil {
			return
		} else if err := given.checkZeros(c); err != nil {
			t.Errorf("without defaults: %v", err)
		}
		written := flowYAML(reflect.ValueOf(c))
		if _, err := Read(&again, File([]byte(written))); err != nil {
			t.Fatalf("written as\n%s\nwhich does not read: %v", written, err)
		}
		if rewritten := flowYAML(reflect.ValueOf(again)); written != rewritten {
			t.Errorf("written as\n%s\nthen as\n%s", written, rewritten)
		}
		_, _, _ = Load[toy](File([]byte(text)), Setting(setting))
		_, _ = yaml.Marshal(c)
	})
}
