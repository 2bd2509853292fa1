package image

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"flowmatch/internal/choice"
)

// passed counts the files that are passed over: nothing of a set vanishes without a word.
type passed struct {
	endings   map[string]int // of files that are no images
	hidden    int
	empty     []string // folders below which there are no images
	imageless int      // labels of no image
}

// mostEndings is how many endings are listed.
const mostEndings = 8

// pass counts a file that is no image.
func (p *passed) pass(name string) {
	if p.endings == nil {
		p.endings = map[string]int{}
	}
	p.endings[strings.ToLower(path.Ext(name))]++
}

// notes says what was passed over.
func (p *passed) notes() []string {
	var notes []string
	if of := p.list(); of != "" {
		notes = append(notes, "files that are no images are passed over: "+of)
	}
	if p.hidden > 0 {
		notes = append(notes, fmt.Sprintf("hidden files and folders are passed over: %d", p.hidden))
	}
	if len(p.empty) > 0 {
		notes = append(notes, "folders without images are passed over, and are no classes: "+choice.List(p.empty))
	}
	if p.imageless > 0 {
		notes = append(notes, fmt.Sprintf("labels without an image are passed over: %d", p.imageless))
	}
	return notes
}

// list lists the files that are no images by their endings.
func (p *passed) list() string {
	var all []string
	for _, ext := range slices.Sorted(maps.Keys(p.endings)) {
		all = append(all, fmt.Sprintf("%d %s", p.endings[ext], choice.Cut(cmp.Or(ext, "without an ending"))))
	}
	if len(all) > mostEndings {
		all = append(all[:mostEndings], "others")
	}
	return strings.Join(all, ", ")
}

// but adds to the error of no images what there is.
func (p *passed) but() string {
	if of := p.list(); of != "" {
		return "; the other files are " + of
	}
	return ""
}
