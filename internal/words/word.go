package words

import (
	"strings"

	"github.com/uvtep/uvtep/api"
)

// Owner is whose word it is.
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
	Aliases []string // iproute2's other names for it
	Value
	Owner Owner
	About string // for docs/openapi.yaml and docs/config.md
	// Default and Kernel are the values, as text, that a link of uvtep's and one of
	// the kernel's have where the word is not said; "": that depends, or none. Of
	// what the kernel has no word for, Kernel is what it does always.
	Default, Kernel string
	Command         bool   // commands have it, the configuration file has not
	IP              ipForm // in ip's JSON
	Always          bool   // `link show -d` has it, the default, too
	Unsaid          string // what it has for a link that does not say it
	// Elsewhere says that an export has its own way to say it.
	Elsewhere bool
	// Instead is what to tell the kernel for a value that it has no word for, and what
	// is to be said of that.
	Instead map[string][2]string
}

// Off is the word that says the opposite; "" where none does.
func (w *Word) Off() string {
	if w.off == "" && w.flag && w.read != nil {
		return "no" + w.Name
	}
	return w.off
}

// Flag reports whether the word may stand alone.
func (w *Word) Flag() bool { return w.flag }

// Parse takes the word, in one of its forms, and what follows it.
func (w *Word) Parse(s *Sentence, form string, l *link) error {
	once := w.Name
	switch {
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

// Text is the value as the sentence has it, on or off for a flag; "" where the link does not
// say it.
func (w *Word) Text(l *link) string { return w.text(l) }

// With is the word with a value, given as text, as the sentence has them.
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

// Say is the word with its value as the sentence has them; nil where the link
// does not say it.
func (w *Word) Say(l *link) []string {
	if v := w.get(l); v == nil || w.read == nil && v == false {
		return nil
	}
	return w.With(w.text(l))
}

// Check reports what the link sentence could not say of l, by its readers.
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

// Known are the words of the table in all of their forms. A configuration file has not those
// that are a command's only.
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
