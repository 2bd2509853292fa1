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

// Go's names for a list of names, and where to look one up, say nothing to a reader of the
// meaning, which the list itself follows.
var (
	oneOf = regexp.MustCompile(`(,? is|,) one of \[[\w.]+\]`)
	see   = regexp.MustCompile(`[;:,.]? [Ss]ee \[[\w.]+\]`)
)

// about is a comment of the form "Teacher, of reflow and distill, is a folder"; the name
// is cut off already.
var about = regexp.MustCompile(`^, ([a-z][^,.;:]*), (?:is|are|means) `)

// does is a comment of the form "Flip mirrors each image", likewise.
var does = regexp.MustCompile(`^ ([a-z]+s|are) `)

// meaning makes the text for a key of a field's comment: of its first paragraph, for what
// comes after is for users of the Go package. It is on one line, without the marks of
// links, with keys for the names of fields (those of other structs by qualified), and a
// sentence. "LR is the learning rate" becomes "The learning rate."
func meaning(comment, goName string, keyOf map[string]string, qualified func(name string) string) string {
	comment, _, _ = strings.Cut(strings.TrimSpace(comment), "\n\n")
	text := strings.Join(strings.Fields(comment), " ")
	text = see.ReplaceAllString(oneOf.ReplaceAllString(text, ""), "")
	text = link.ReplaceAllString(text, "$1")
	text = qualifiedName.ReplaceAllStringFunc(text, qualified)
	rest, named := strings.CutPrefix(text, goName)
	switch m := about.FindStringSubmatch(rest); {
	case text == "":
		return ""
	case named && m != nil:
		text = capital(m[1]) + ": " + withKeys(strings.TrimPrefix(rest, m[0]), keyOf)
	case named && strings.HasPrefix(rest, "; "): // what was left of "Name is one of [Names]; ..."
		text = capital(withKeys(rest[2:], keyOf))
	case named && does.MatchString(rest):
		for _, verb := range []string{" is ", " are ", " holds ", " lists ", " says "} {
			rest = strings.TrimPrefix(rest, verb)
		}
		text = capital(withKeys(strings.TrimPrefix(rest, " "), keyOf))
	default:
		first := word.FindString(text)
		if named && first == goName { // a comment of the form "Classes > 0 makes the net ..."
			text = keyOf[goName] + rest
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

// qualifiedName is the name of a field of another struct.
var qualifiedName = regexp.MustCompile(`\b(?:[a-z][a-z0-9]*\.)?[A-Z]\w*\.[A-Z]\w*\b`)

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
		begins := before == "" || before != text[:m[0]] && strings.ContainsAny(before[len(before)-1:], ".:")
		qualified := m[0] > 1 && text[m[0]-1] == '.' && text[m[0]-2] != '.' || // of a name, and not of 0..Steps
			m[1] < len(text)-1 && text[m[1]] == '.' && text[m[1]+1] != ' '
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
