package text

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
)

// reference are tokenizers of another program, and its tokens of texts; testdata/generate.py says which.
type reference struct {
	Name  string
	File  json.RawMessage
	Cases []struct {
		Text string
		IDs  []int32
	}
}

func references(t *testing.T) (all []reference) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "tokenizers.json"))
	if err == nil {
		err = json.Unmarshal(raw, &all)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func written(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tokenizer.json")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Tokens are those of the program that the tokenizer is of, texts come back of them, and a checkpoint keeps it.
func TestTokenizersOfAnotherProgram(t *testing.T) {
	for _, r := range references(t) {
		v, err := Of("", Options{Kind: BPE, Tokenizer: written(t, string(r.File))})
		if err == nil {
			err = v.Validate()
		}
		if err != nil {
			t.Fatalf("%s: %v", r.Name, err)
		}
		kept, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var again Vocabulary
		if err := json.Unmarshal(kept, &again); err != nil || !again.Equal(v) || again.Validate() != nil {
			t.Fatalf("%s: kept as %.100s (%v)", r.Name, kept, err)
		}
		for _, c := range r.Cases {
			got, err := again.Encode(c.Text)
			if err != nil || !slices.Equal(got, c.IDs) {
				t.Errorf("%s: %q is %v (%v), want %v", r.Name, c.Text, got, err, c.IDs)
			}
			want := c.Text
			if r.Name == "qwen" {
				want = norm.NFC.String(want)
			}
			if back := again.Decode(got); back != want {
				t.Errorf("%s: %q comes back as %q", r.Name, want, back)
			}
			for _, k := range got {
				if int(k) >= v.Levels() {
					t.Errorf("%s: level %d of %d", r.Name, k, v.Levels())
				}
			}
		}
		if strings.HasPrefix(r.Name, "g") { // which have a level for each byte
			const any = "any \xff\x00 bytes"
			if got, err := v.Encode(any); err != nil || v.Decode(got) != any {
				t.Errorf("%s: %q comes back as %q (%v)", r.Name, any, v.Decode(got), err)
			}
		}
	}
}

// Pairs are merged as the definition says, also in a text of one long word, which is not cut.
func TestLongWordsAreMergedAsShortOnes(t *testing.T) {
	rank := map[pair]merge{{0, 1}: {0, 2}, {2, 2}: {1, 3}, {3, 0}: {2, 4}, {1, 1}: {3, 5}}
	long := make([]int32, 3000)
	for i := range long {
		long[i] = int32(i * i % 7 % 2)
	}
	want := slices.Clone(long)
	for k := range int32(len(rank)) { // the new levels are in later pairs alone
		for p, m := range rank {
			if m.rank == k {
				want = merged(want, p, m.level)
			}
		}
	}
	if got := mergeAll(slices.Clone(long), rank); !slices.Equal(got, want) || len(got) == len(long) {
		t.Errorf("%d tokens, want %d", len(got), len(want))
	}
}

// A corpus has the levels of the file, and a text that would not come back is refused.
func TestCorporaOfATokenizer(t *testing.T) {
	all := references(t)
	file := func(name string) string {
		k := slices.IndexFunc(all, func(r reference) bool { return r.Name == name })
		return written(t, string(all[k].File))
	}
	text := strings.Repeat("they know the words and didn't ask. ", 40)
	c, err := New(text, Options{Kind: BPE, Tokenizer: file("gpt2"), Length: 8})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Decode(slices.Concat(c.Train, c.Val, c.Test)); got != text || c.Levels() != 300 {
		t.Errorf("%d levels, and a text of %d bytes is one of %d", c.Levels(), len(text), len(got))
	}
	_, err = New(text+"Cafe\u0301", Options{Kind: BPE, Tokenizer: file("qwen"), Length: 8})
	if err == nil || !strings.Contains(err.Error(), "comes back as") || !strings.Contains(err.Error(), "NFC") {
		t.Errorf("a text that is not normal: %v", err)
	}
	_, err = New(text+"\n\nZ", Options{Kind: BPE, Tokenizer: file("metaspace"), Length: 8})
	if err == nil || !strings.Contains(err.Error(), `line 3: "Z" is none of the levels`) {
		t.Errorf("a character without a level: %v", err)
	}
}

func TestTokenizersThatCannotBeLoadedAreNamed(t *testing.T) {
	const model = `{"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}`
	for want, content := range map[string]string{
		"it is no tokenizer.json":                 "x",
		"it has no model":                         "{}",
		`model.type is "WordPiece"`:               `{"model": {"type": "WordPiece", "vocab": {"a": 0}}}`,
		`model.type is "Unigram"`:                 `{"model": {"type": "Unigram", "vocab": {}}}`,
		"model.vocab is empty":                    `{"model": {"type": "BPE"}}`,
		"pair 1 has \"c\", which model.vocab has": strings.Replace(model, "a b", "a c", 1) + "}",
		"has no space":                            strings.Replace(model, "a b", "ab", 1) + "}",
		"neither two texts":                       strings.Replace(model, `"a b"`, `["a"]`, 1) + "}",
		`pair 0 of a tokenizer makes "ba"`:        strings.Replace(model, "a b", "b a", 1) + "}",
		`has the id 2; 2 pieces must have`:        strings.Replace(model, `"b": 1, `, "", 1) + "}",
		"model.dropout is 0.1": strings.Replace(model, `"BPE"`, `"BPE", "dropout": 0.1`, 1) +
			"}",
		`model.end_of_word_suffix "</w>"`: strings.Replace(model, `"BPE"`, `"BPE", "end_of_word_suffix": "</w>"`, 1) +
			"}",
		`normalizer "Lowercase" changes texts`: model + `, "normalizer": {"type": "Lowercase"}}`,
		"only one that writes a space": model +
			`, "normalizer": {"type": "Replace", "pattern": {"Regex": "x"}}}`,
		`pre_tokenizer "Whitespace" is none`: model + `, "pre_tokenizer": {"type": "Whitespace"}}`,
		`has the behavior "Removed" (invert: false)`: model +
			`, "pre_tokenizer": {"type": "Split", "behavior": "Removed"}}`,
		"neither pattern.String nor": model +
			`, "pre_tokenizer": {"type": "Split", "behavior": "Isolated", "pattern": {}}}`,
		`the pattern "(" of a tokenizer`: model +
			`, "pre_tokenizer": {"type": "Split", "behavior": "Isolated", "pattern": {"Regex": "("}}}`,
		"stands behind ByteLevel": model +
			`, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}, ` +
			`{"type": "Digits"}]}}`,
		"spaces are written as \"xx\"": model +
			`, "pre_tokenizer": {"type": "Metaspace", "replacement": "xx"}}`,
		"cannot also write spaces": model +
			`, "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "_"}, ` +
			`"pre_tokenizer": {"type": "ByteLevel"}}`,
		`the added token "c" has lstrip`: model +
			`, "added_tokens": [{"id": 3, "content": "c", "lstrip": true}]}`,
		`the added token "a" has the id 3, and in model`: model + `, "added_tokens": [{"id": 3, "content": "a"}]}`,
	} {
		if _, err := ReadTokenizer(written(t, content)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.200s: %v; want %q", content, err, want)
		}
	}
	_, missing := ReadTokenizer(filepath.Join(t.TempDir(), "x"))
	_, drops := ReadTokenizer(written(t, model+
		`, "pre_tokenizer": {"type": "Split", "behavior": "Removed", "invert": true, "pattern": {"String": "a"}}}`))
	if missing == nil || drops != nil {
		t.Errorf("%v, %v", missing, drops)
	}
	for want, v := range map[string]Vocabulary{
		"of 0 levels":       {Kind: BPE, Tokenizer: &Tokenizer{}},
		`are both "a"`:      {Kind: BPE, Tokenizer: &Tokenizer{Pieces: []string{"a", "a"}}},
		"they must be from": {Kind: BPE, Tokenizer: &Tokenizer{Pieces: []string{"a", "b"}, Merges: [][2]int32{{0, 2}}}},
		"unknown cut":       {Kind: BPE, Tokenizer: &Tokenizer{Pieces: []string{"a", "b"}, Cuts: []Cut{{How: "x"}}}},
		"of level 5, of 2":  {Kind: BPE, Tokenizer: &Tokenizer{Pieces: []string{"a", "b"}, Added: []int{5}}},
		"pairs of its own":  {Kind: BPE, Merges: [][2]int32{{1, 2}}, Tokenizer: &Tokenizer{}},
		"chars has pairs":   {Kind: Chars, Chars: "ab", Tokenizer: &Tokenizer{}},
	} {
		if err := v.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
	for want, o := range map[string]Options{
		"tokens of kind chars need none": {Kind: Chars, Tokenizer: "x"},
		"has its own":                    {Kind: BPE, Levels: 300, Tokenizer: "x"},
	} {
		if err := o.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}
