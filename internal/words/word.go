package words

import (
	"strings"

	"github.com/uvtep/uvtep/api"
)

// Owner says whose word a word is.
type Owner uint8

// The owners.
const (
	VXLAN  Owner = iota // iproute2's, after type vxlan
	Device              // iproute2's, of any device
	Own                 // uvtep's
)

// Word is a row of the table.
type Word struct {
	// Name is the word in the sentence, the key in the configuration file and in the
	// API's JSON.
	Name    string
	Aliases []string // iproute2's other names for the word
	Value
	Owner Owner
	About string // for docs/openapi.yaml and docs/config.md
	// Default and Kernel are the texts of the values that a link of uvtep and one of the
	// kernel have without the word; "": it depends, or there is none. For a word that the
	// kernel does not have, Kernel is what the kernel always does.
	Default, Kernel string
	Command         bool   // the word is for commands only, and not in the configuration file
	IP              ipForm // the word in ip's JSON
	Always          bool   // `link show -d` prints the default as well
	Unsaid          string // what `link show -d` prints for a link that does not set the word
	// Elsewhere says that an export writes the word in a way of its own.
	Elsewhere bool
	// Instead has, for a value that the kernel has no word for, the value that an export
	// writes and the comment on it.
	Instead map[string][2]string
}

// Off is the word with the opposite meaning; "": there is none.
func (w *Word) Off() string {
	if w.off == "" && w.flag && w.read != nil {
		return "no" + w.Name
	}
	return w.off
}

// Flag reports whether the word may stand without a value.
func (w *Word) Flag() bool { return w.flag }

// Parse reads the value of the word, which stands in the sentence as form.
func (w *Word) Parse(s *Sentence, form string, l *link) error {
	once := w.Name
	switch {
	case strings.HasSuffix(form, "rxqueues"):
		once = "rxqueues"
	case w.flag && w.off != "":
		once += "/" + w.off
	case w.flag:
		once = "[no]" + once
	}
	if err := s.Once(once); err != nil {
		return err
	}
	return w.read(s, form, l)
}

// Text is the value in the sentence, on or off for a flag; "": the link does not set the word.
func (w *Word) Text(l *link) string { return w.text(l) }

// With is the word with a value in the sentence, where text is the value's.
func (w *Word) With(value string) []string {
	switch {
	case w.read == nil: // proxylearn
		return []string{"proxy", "learn"}
	case w.flag && value == "on":
		return []string{w.Name}
	case w.flag, value == "": // nomaster
		return []string{w.Off()}
	}
	return append([]string{w.Name}, strings.Fields(value)...)
}

// Say is the word with its value in the sentence; nil: the link does not set the word.
func (w *Word) Say(l *link) []string {
	if v := w.get(l); v == nil || w.read == nil && v == false {
		return nil
	}
	return w.With(w.text(l))
}

// Check reports which value of l the link sentence could not have.
func Check(l *link) error {
	if l.Remote != nil && l.Group != nil {
		return api.Invalidf("remote and group together: a link has one default destination, write one of them (more remotes: uvtep fdb append 00:00:00:00:00:00 dev NAME dst IP)")
	}
	for _, w := range Table() {
		if w.flag || w.Command || w.get(l) == nil {
			continue
		}
		args := []string{w.text(l)}
		if w.Name == "srcport" {
			args = strings.Fields(args[0])
		}
		if err := w.read(NewSentence(args, AnyFamily), w.Name, &link{}); err != nil {
			return api.Invalidf("%v", err)
		}
	}
	return nil
}

// Known are the words of the table by all of their names: for commands, or for configuration
// files, which do not have the words of commands only.
func Known(command bool) map[string]*Word {
	known := map[string]*Word{}
	table := Table()
	for i := range table {
		w := &table[i]
		if w.read == nil || w.Command && !command {
			continue
		}
		for _, form := range append([]string{w.Name}, w.Aliases...) {
			known[form] = w
		}
		if off := w.Off(); off != "" {
			known[off] = w
		}
	}
	return known
}

// Usage is the link sentence, in lines of no more than 100 characters.
func Usage() string {
	lines := []string{"NAME [type vxlan] id VNI"}
	for _, w := range Table() {
		said := strings.TrimSpace(w.Name + " " + w.Arg)
		switch {
		case w.Name == "name", w.Name == "id", w.read == nil, w.Name == "up":
			continue
		case w.flag:
			said = "[no]" + said
		}
		last := &lines[len(lines)-1]
		if len(*last)+len(said) > 96 {
			lines = append(lines, "   ")
			last = &lines[len(lines)-1]
		}
		*last += " [" + said + "]"
	}
	return strings.Join(lines, "\n")
}
