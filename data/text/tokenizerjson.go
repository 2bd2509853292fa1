package text

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dlclark/regexp2/v2"

	"flowmatch/internal/atomicfile"
	"flowmatch/internal/choice"
)

// tokenizerFile is what of a tokenizer.json is read. What of it makes batches of texts for other programs (truncation,
// padding, the post_processor) has no meaning here; the decoder is what the rest says backwards.
type tokenizerFile struct {
	Added []struct {
		ID         int    `json:"id"`
		Content    string `json:"content"`
		SingleWord bool   `json:"single_word"`
		LStrip     bool   `json:"lstrip"`
		RStrip     bool   `json:"rstrip"`
	} `json:"added_tokens"`
	Normalizer   *stage `json:"normalizer"`
	PreTokenizer *stage `json:"pre_tokenizer"`
	Model        *struct {
		Type         string         `json:"type"`
		Vocab        map[string]int `json:"vocab"`
		Merges       []merging      `json:"merges"`
		Dropout      float64        `json:"dropout"`
		Prefix       string         `json:"continuing_subword_prefix"`
		Suffix       string         `json:"end_of_word_suffix"`
		ByteFallback bool           `json:"byte_fallback"`
		IgnoreMerges bool           `json:"ignore_merges"`
	} `json:"model"`
}

// stage is a normalizer or a pre_tokenizer.
type stage struct {
	Type             string          `json:"type"`
	Normalizers      []stage         `json:"normalizers"`
	PreTokenizers    []stage         `json:"pretokenizers"`
	Pattern          json.RawMessage `json:"pattern"`
	Content          string          `json:"content"`
	Behavior         string          `json:"behavior"`
	Invert           bool            `json:"invert"`
	IndividualDigits bool            `json:"individual_digits"`
	UseRegex         *bool           `json:"use_regex"`
	Replacement      string          `json:"replacement"`
	Split            *bool           `json:"split"`
}

// merging is a pair, as two texts or as one with a space between them.
type merging [2]string

// UnmarshalJSON reads either form.
func (m *merging) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		var ok bool
		if m[0], m[1], ok = strings.Cut(one, " "); !ok {
			return fmt.Errorf("the pair %s has no space", choice.Quote(one))
		}
		return nil
	}
	var two []string
	if err := json.Unmarshal(b, &two); err != nil || len(two) != 2 {
		return errors.New("a pair is neither two texts nor one with a space between them")
	}
	m[0], m[1] = two[0], two[1]
	return nil
}

// gpt2Pattern cuts a text as GPT-2 does, which the pre_tokenizer ByteLevel means.
const gpt2Pattern = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

// ErrTokenizer is of a file that is no tokenizer, or none that can be loaded.
var ErrTokenizer = errors.New("text: the tokenizer cannot be loaded")

// ReadTokenizer reads a file tokenizer.json of HuggingFace's library with a model of byte-pair encoding. Another model,
// and rules by which texts would not come back of their tokens, are errors that name them. Nothing is added to texts,
// neither a space before them nor tokens at their ends. The error is [ErrTokenizer].
func ReadTokenizer(path string) (*Tokenizer, error) {
	raw, err := atomicfile.Read(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTokenizer, err)
	}
	t, err := parseTokenizer(raw)
	if err == nil {
		_, err = t.encoder()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrTokenizer, path, err)
	}
	return t, nil
}

func parseTokenizer(raw []byte) (*Tokenizer, error) {
	var f tokenizerFile
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, fmt.Errorf("it is no tokenizer.json of byte-pair encoding: %w", err)
	}
	switch m := f.Model; {
	case m == nil:
		return nil, errors.New("it has no model; a tokenizer.json with one of type BPE can be loaded")
	case m.Type != "BPE" && (m.Type != "" || len(m.Merges) == 0): // old files leave the type out
		return nil, fmt.Errorf("model.type is %s; one of type BPE can be loaded", choice.Quote(m.Type))
	case m.Dropout != 0:
		return nil, fmt.Errorf("model.dropout is %g: tokens of a text would be random; set it to null", m.Dropout)
	case m.Prefix != "" || m.Suffix != "":
		return nil, fmt.Errorf("model.continuing_subword_prefix is %s and model.end_of_word_suffix %s; only a model "+
			"without either can be loaded", choice.Quote(m.Prefix), choice.Quote(m.Suffix))
	}
	t := &Tokenizer{ByteFallback: f.Model.ByteFallback, WholeWords: f.Model.IgnoreMerges}
	if err := f.levels(t); err != nil {
		return nil, err
	}
	if f.Normalizer != nil {
		if err := f.Normalizer.normalize(t); err != nil {
			return nil, err
		}
	}
	if f.PreTokenizer != nil {
		if err := f.PreTokenizer.cut(t); err != nil {
			return nil, err
		}
	}
	if t.ByteLevel && t.Space != "" {
		return nil, errors.New("pieces of bytes (pre_tokenizer ByteLevel) cannot also write spaces as " +
			choice.Quote(t.Space))
	}
	return t, nil
}

// levels reads the vocabulary.
func (f *tokenizerFile) levels(t *Tokenizer) error {
	ids := maps.Clone(f.Model.Vocab)
	if ids == nil {
		return errors.New("model.vocab is empty")
	}
	for _, a := range f.Added {
		switch id, known := ids[a.Content]; {
		case known && id != a.ID:
			return fmt.Errorf("the added token %s has the id %d, and in model.vocab %d", choice.Quote(a.Content), a.ID,
				id)
		case a.LStrip || a.RStrip || a.SingleWord:
			return fmt.Errorf("the added token %s has lstrip, rstrip or single_word: white space would be lost, or it "+
				"depends on what is beside it; set them to false, or take it out of added_tokens",
				choice.Quote(a.Content))
		}
		ids[a.Content] = a.ID
		t.Added = append(t.Added, a.ID)
	}
	t.Pieces = make([]string, len(ids))
	seen := make([]bool, len(ids))
	for _, piece := range slices.Sorted(maps.Keys(ids)) {
		id := ids[piece]
		if id < 0 || id >= len(ids) || seen[id] {
			return fmt.Errorf("the piece %s has the id %d; %d pieces must have those from 0 to %d, each one",
				choice.Quote(piece), id, len(ids), len(ids)-1)
		}
		t.Pieces[id], seen[id] = piece, true
	}
	for k, m := range f.Model.Merges {
		var p [2]int32
		for i, piece := range m {
			id, ok := f.Model.Vocab[piece]
			if !ok {
				return fmt.Errorf("model.merges: pair %d has %s, which model.vocab has not", k+1, choice.Quote(piece))
			}
			p[i] = int32(id)
		}
		t.Merges = append(t.Merges, p)
	}
	return nil
}

// normalize takes up a normalizer.
func (s stage) normalize(t *Tokenizer) error {
	switch s.Type {
	case "Sequence":
		for _, part := range s.Normalizers {
			if err := part.normalize(t); err != nil {
				return err
			}
		}
		return nil
	case "NFC":
		t.NFC = true
		return nil
	case "Prepend": // what stands before a text is left out
		return nil
	case "Replace":
		if pattern, literal, err := s.pattern(); err == nil && literal && pattern == " " {
			return t.spaces(s.Content)
		}
		return errors.New("normalizer Replace changes texts; only one that writes a space as a character can be loaded")
	}
	return fmt.Errorf("normalizer %s changes texts, which would not come back; Sequence, NFC, Prepend, and Replace of "+
		"a space can be loaded", choice.Quote(s.Type))
}

// spaces has spaces written as a character from here on.
func (t *Tokenizer) spaces(as string) error {
	if len([]rune(as)) != 1 || t.Space != "" {
		return fmt.Errorf("spaces are written as %s, and before that as %s; they can be as one character, once",
			choice.Quote(as), choice.Quote(t.Space))
	}
	t.Space = as
	t.Cuts = append(t.Cuts, Cut{Spaces: true})
	return nil
}

// pattern is what a stage looks for, and whether it is meant literally.
func (s stage) pattern() (pattern string, literal bool, err error) {
	var p struct{ String, Regex *string }
	switch err := json.Unmarshal(s.Pattern, &p); {
	case err != nil:
		return "", false, fmt.Errorf("%s: pattern: %w", s.Type, err)
	case p.String != nil:
		return *p.String, true, nil
	case p.Regex != nil:
		return *p.Regex, false, nil
	}
	return "", false, fmt.Errorf("%s has neither pattern.String nor pattern.Regex", s.Type)
}

// cut takes up a pre_tokenizer.
func (s stage) cut(t *Tokenizer) error {
	if t.ByteLevel {
		return fmt.Errorf("pre_tokenizer %s stands behind ByteLevel, which has to be the last", choice.Quote(s.Type))
	}
	switch s.Type {
	case "Sequence":
		for _, part := range s.PreTokenizers {
			if err := part.cut(t); err != nil {
				return err
			}
		}
	case "ByteLevel":
		if s.UseRegex == nil || *s.UseRegex {
			t.Cuts = append(t.Cuts, Cut{Pattern: gpt2Pattern, How: isolated})
		}
		t.ByteLevel = true
	case "Split":
		return s.split(t)
	case "Digits":
		if t.Cuts = append(t.Cuts, Cut{Pattern: `\p{N}+`, How: isolated}); s.IndividualDigits {
			t.Cuts[len(t.Cuts)-1].Pattern = `\p{N}`
		}
	case "Metaspace":
		if err := t.spaces(s.Replacement); err != nil {
			return err
		}
		if s.Split == nil || *s.Split {
			t.Cuts = append(t.Cuts, Cut{Pattern: regexp2.Escape(s.Replacement), How: toNext})
		}
	default:
		return fmt.Errorf("pre_tokenizer %s is none that can be loaded, or texts would not come back; ByteLevel, "+
			"Split, Digits, Metaspace and a Sequence of them can be loaded", choice.Quote(s.Type))
	}
	return nil
}

// splits are the behaviours of Split by their names in a file.
var splits = map[string]string{"Isolated": isolated, "Contiguous": contiguous, "MergedWithPrevious": toPrevious,
	"MergedWithNext": toNext, "Removed": matches}

func (s stage) split(t *Tokenizer) error {
	how, ok := splits[s.Behavior]
	if !ok || how == matches && !s.Invert {
		return fmt.Errorf("pre_tokenizer Split has the behavior %s (invert: %v); it must be Isolated, Contiguous, "+
			"MergedWithPrevious or MergedWithNext, or Removed with invert", choice.Quote(s.Behavior), s.Invert)
	}
	pattern, literal, err := s.pattern()
	if literal {
		pattern = regexp2.Escape(pattern)
	}
	if how == matches { // inverted, what matches stays and what does not is dropped
		s.Invert = false
	}
	t.Cuts = append(t.Cuts, Cut{Pattern: pattern, How: how, Invert: s.Invert})
	return err
}
