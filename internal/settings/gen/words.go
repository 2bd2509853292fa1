package main

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// link is a link of a Go comment to a name; [0, 1) and [N, D] are none.
var link = regexp.MustCompile(`\[\*?((?:[a-z][a-z0-9]*\.)?[A-Z]\w+(?:\.[A-Z]\w+)?)\]`)

// word is what may be the name of a field.
var word = regexp.MustCompile(`[\pL_][\pL\pN_]*`)

// meaning makes the text for a key of a field's comment: on one line, without the marks
// of links, with keys for the names of fields, and as a sentence. "LR is the learning
// rate" becomes "The learning rate."
func meaning(comment, goName string, keyOf map[string]string) string {
	text := strings.Join(strings.Fields(comment), " ")
	text = link.ReplaceAllString(text, "$1")
	if text == "" {
		return ""
	}
	if rest, ok := strings.CutPrefix(text, goName+" is "); ok {
		text = capital(withKeys(rest, keyOf))
	} else {
		first := word.FindString(text)
		if first == goName { // a comment of the form "Flip mirrors an image"
			text = keyOf[goName] + strings.TrimPrefix(text, goName)
		}
		text = withKeys(text, keyOf)
		if key, ok := keyOf[first]; !ok || !strings.HasPrefix(text, key) {
			text = capital(text)
		}
	}
	if last, _ := utf8.DecodeLastRuneInString(text); !strings.ContainsRune(".!?:", last) {
		text += "."
	}
	return text
}

// capital makes the first letter a capital one, unless the first word has one already or
// is a symbol, such as p_t or float32, or a value: ot: see below, ot (default), ot, vp.
func capital(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	head, rest, _ := strings.Cut(text, " ")
	if strings.ContainsAny(head, "_0123456789=(:;,") || strings.ToLower(head) != head || strings.HasPrefix(rest, "(") {
		return text
	}
	if len([]rune(head)) == 1 && head != "a" {
		return text
	}
	return string(unicode.ToUpper(first)) + text[size:]
}

// withKeys puts keys for the names of fields. A name with one capital letter that begins
// a sentence may be a common word, except where the comment begins with it.
func withKeys(text string, keyOf map[string]string) string {
	var b strings.Builder
	at := 0
	for _, m := range word.FindAllStringIndex(text, -1) {
		name := text[m[0]:m[1]]
		key, ok := keyOf[name]
		before := strings.TrimRight(text[:m[0]], " ")
		begins := before == "" || strings.HasSuffix(before, ".") || strings.HasSuffix(before, ":")
		qualified := m[0] > 0 && text[m[0]-1] == '.' || m[1] < len(text)-1 && text[m[1]] == '.' && text[m[1]+1] != ' '
		plainWord := strings.ToLower(name[1:]) == name[1:]
		if !ok || key == "-" || qualified || name == key || begins && plainWord && !verb(text[m[1]:]) {
			continue
		}
		b.WriteString(text[at:m[0]] + key)
		at = m[1]
	}
	return b.String() + text[at:]
}

// verb says whether what follows a name speaks of the field: it is, are, holds ...
func verb(rest string) bool {
	for _, v := range []string{" is ", " are ", " and ", " holds ", " says ", " has ", " takes ", " gives ", ", "} {
		if strings.HasPrefix(rest, v) {
			return true
		}
	}
	return false
}
