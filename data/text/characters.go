package text

// Characters is how many characters of text tokens stand for. One that is cut at the start of the tokens, as bytes
// may be, is not counted; one that is cut at their end is. Tokens of rows stand for none.
func (v Vocabulary) Characters(tokens []int32) (n int) {
	if v.Rows() {
		return 0
	}
	for _, b := range []byte(v.Decode(tokens)) {
		if b&0xC0 != 0x80 { // the first byte of a character
			n++
		}
	}
	return n
}
