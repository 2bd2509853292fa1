package discrete

import "testing"

func TestConfigsMakeTheirPaths(t *testing.T) {
	for _, name := range append(Schedules(), "") {
		for _, source := range []Source{Mask, Uniform, ""} {
			m, err := (Config{name, source}).New(5)
			if err != nil {
				t.Fatalf("%q %q: %v", name, source, err)
			}
			want := (Config{name, source}).Defaults()
			if m.Schedule().Name() != want.Name || m.Source() != want.Source || m.Levels() != 5 {
				t.Errorf("%q %q is %q %q", name, source, m.Schedule().Name(), m.Source())
			}
		}
	}
	for _, c := range []Config{{"vp", Mask}, {"linear", "noise"}} {
		if _, err := c.New(5); err == nil || c.Validate() == nil {
			t.Errorf("%v made a path", c)
		}
	}
	if _, err := (Config{}).New(1); err == nil {
		t.Error("a token of one level")
	}
}
