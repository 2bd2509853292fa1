package train

import (
	"slices"
	"testing"
)

func TestSettingsSuitTheSizeOfATable(t *testing.T) {
	for _, c := range []struct {
		rows, held, coordinates, asked int
		want                           []string
	}{
		{120, 15, 7, 0, []string{"train.steps=2000", "train.batch=256", "net.hidden=[64, 64, 64]", "train.val_every=50",
			"train.patience=16"}},
		{2400, 300, 21, 0, []string{"train.steps=3700", "train.batch=256", "net.hidden=[128, 128, 128]",
			"train.val_every=92", "train.patience=16"}},
		{43000, 5000, 16, 0, []string{"train.steps=20000", "train.batch=256", "net.hidden=[256, 256, 256]",
			"train.val_every=500", "train.patience=16"}},
		{2, 0, 3, 0, []string{"train.steps=2000", "train.batch=256", "net.hidden=[64, 64, 64]"}},
		{120, 15, 7, 30, []string{"train.steps=30", "train.batch=256", "net.hidden=[64, 64, 64]", "train.val_every=1",
			"train.patience=16"}},
	} {
		if got := ForTable(c.rows, c.held, c.coordinates, c.asked); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
