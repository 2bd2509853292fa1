package dataset

import (
	"fmt"
	"testing"
)

func TestNamesAndValuesMayBeQuoted(t *testing.T) {
	for text, want := range map[string]string{
		"a=1":                       "[a=1]",
		"a=1, b = 2":                "[a=1 b= 2]",
		`"mass, in g"=3500,b=2`:     "[mass, in g=3500 b=2]",
		`"a=b"=1`:                   "[a=b=1]",
		`"say ""x"""=1`:             `[say "x"=1]`,
		`c="1,5", "d" = "x=y" ,e=f`: "[c=1,5 d=x=y e=f]",
		`a=5",b=6"`:                 `[a=5" b=6"]`,
		`a=b=c`:                     "[a=b=c]",
		`a`:                         "[!a]",
		`a=1,`:                      "[a=1 !]",
		`"a`:                        `[!"a]`,
		`"a"b=1`:                    `["a"b=1]`,
		`a="1"2,b=3`:                `[a="1"2 b=3]`,
		`a="1",`:                    "[a=1 !]",
		``:                          "[!]",
	} {
		var got []string
		for _, p := range partsOf(text) {
			if p.ok {
				got = append(got, p.name+"="+p.value)
			} else {
				got = append(got, "!"+p.text)
			}
		}
		if fmt.Sprint(got) != want {
			t.Errorf("%s: got %v, want %s", text, got, want)
		}
	}
	c, err := ParseContext(`"x, y"=0.5,"a=b"=-1`, []string{"a=b", "x, y"})
	if err != nil || c.X[0] != -1 || c.X[1] != 0.5 {
		t.Errorf("got %v, %v", c.X, err)
	}
}
