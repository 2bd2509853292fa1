package schema

// Cells are the texts of a table, as its file has them but for the spaces around them.
type Cells struct {
	Names   []string
	Columns []Texts // as many as names
	Rows    int
	// Delimiter separates the fields; empty: the file is no text.
	Delimiter string
	// Index are the names of columns that the file itself says are the index of the rows.
	Index []string
}

// Texts are the texts of one column: of each row the place of its text among Values, which
// differ and are in the order in which they come first.
type Texts struct {
	Values []string
	Index  []int32

	at map[string]int32
}

// Add adds the text of one more row. The text is kept.
func (t *Texts) Add(text string) { t.Index = append(t.Index, t.Place(text)) }

// Place returns where a text is among the values, to which it is added if it has not come yet. The text is kept.
func (t *Texts) Place(text string) int32 {
	k, ok := t.at[text]
	if !ok {
		if t.at == nil {
			t.at = map[string]int32{}
		}
		k = int32(len(t.Values))
		t.at[text] = k
		t.Values = append(t.Values, text)
	}
	return k
}

// Has says whether a text has come, and returns that one, so that a reader need not copy its
// own.
func (t *Texts) Has(text string) (string, bool) {
	k, ok := t.at[text]
	if !ok {
		return "", false
	}
	return t.Values[k], true
}

// counts returns how often each value comes.
func (t Texts) counts() []int {
	n := make([]int, len(t.Values))
	for _, k := range t.Index {
		n[k]++
	}
	return n
}

// first returns the first row of each value.
func (t Texts) first() []int {
	rows := make([]int, len(t.Values))
	for i := len(t.Index) - 1; i >= 0; i-- {
		rows[t.Index[i]] = i
	}
	return rows
}

// Fault is a cell that is not what its column is.
type Fault struct {
	Row     int    // from 0
	Column  string // its name
	Problem string // what is wrong, and what would be right
	Count   int    // how many cells have the same text, this one included
}
