package config

import (
	"bytes"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// A YAML file that was cut off is often still valid YAML. What follows decides whether the end
// of a file may be a cut (docs/decisions/0007-end-of-a-file.md).

// source is one of the files that a configuration was read from.
type source struct {
	name string
	text []byte
}

// CheckEnd reports why f, which was read after before, may have been cut off: FileErrors, or
// nil. A file of conf.d that is gone was removed, since its directory does not list it.
func (f *File) CheckEnd(before *File) error {
	c := &complaints{}
	var lost []string // with conf.d
	for i := range before.sources {
		was := &before.sources[i]
		gone, changed := f.loss(before, was.name)
		at := slices.IndexFunc(f.sources, func(s source) bool { return s.name == was.name })
		switch {
		case at >= 0:
			f.sources[at].checkEnd(was, gone, changed, f.fewGo(before, was.name, len(gone)), c)
		case !f.confD:
			lost = append(lost, gone...)
		}
	}
	if len(lost) > 0 {
		dir := filepath.Join(filepath.Dir(before.sources[0].name), "conf.d")
		c.addf(Place{File: dir}, "the directory is gone, and %s with it: nothing is changed; make it, empty where they are to go, %s", list(lost), orForce)
	}
	return c.result()
}

// orForce is the end of the messages: what else the user may do.
const orForce = "or run uvtep config apply --force"

// checkEnd compares a file with what it was before. gone are the links and ports that it had
// and no file has now; changed says that a link or port differs, few that no more of them are
// gone than a user removes at a time.
func (s *source) checkEnd(was *source, gone []string, changed, few bool, c *complaints) {
	if marked(s.text) {
		return
	}
	if marked(was.text) {
		c.addf(s.end(), "the file ends without the line ... that it had: nothing is changed; write it as the last line when the file is whole, %s", orForce)
		return
	}
	if len(gone) == 0 && !changed {
		return
	}
	root, _ := parseYAML(s.name, s.text) // it was read before, without an error
	before, _ := parseYAML(was.name, was.text)
	if root == nil {
		c.addf(s.end(), "the file is empty, and had %s: nothing is changed; write links: [] where there are to be none, %s", list(gone), orForce)
		return
	}
	missing := missingEnd(before, root)
	switch {
	case missing != "" && len(gone) > 0 && (!few || bytes.HasPrefix(was.text, s.text)):
		c.addf(s.end(), "the file ends before %s, which ended it, and %s would go: nothing is changed; write the line ... at its end when the file is whole, %s", missing, list(gone), orForce)
	case bytes.HasSuffix(was.text, []byte("\n")) && !bytes.HasSuffix(s.text, []byte("\n")):
		c.addf(s.end(), "the file ends in the middle of a line: nothing is changed; end the line when the file is whole, %s", orForce)
	}
}

// fewGo reports whether n links and ports that a file of before said no more are one
// whole one, or have others in their place at the end, while what is the last of
// the old ones now is as it was: what somebody changes by hand.
func (f *File) fewGo(before *File, name string, n int) bool {
	new := 0
	for i := len(f.Links) - 1; i >= 0; i-- {
		is := &f.Links[i]
		if is.Place.File != name {
			continue
		}
		at := slices.IndexFunc(before.Links, func(l FileLink) bool { return l.Name == is.Name })
		if at >= 0 {
			return n <= new+1 && (new > 0 || reflect.DeepEqual(before.Links[at].said(), is.said()))
		}
		new++
	}
	return n <= new
}

// end is the place where the file ends.
func (s *source) end() Place {
	line := 1 + bytes.Count(s.text, []byte("\n"))
	return Place{File: s.name, Line: line, Column: 1 + len([]rune(string(s.text[1+bytes.LastIndexByte(s.text, '\n'):])))}
}

// marked reports whether a line ... marks the end of the file's document (YAML 1.2 section
// 9.1.2). No value can have such a line.
func marked(text []byte) bool {
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte("...")); ok && (len(rest) == 0 || bytes.IndexByte([]byte(" \t\r\n"), rest[0]) >= 0) {
			return true
		}
	}
	return false
}

// list writes names, the first of many.
func list(names []string) string {
	const most = 8
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// loss is what f does not have of one file of before: links and ports that no file has, and
// whether another link or port differs.
func (f *File) loss(before *File, name string) (gone []string, changed bool) {
	ports := make(map[string]*FilePort, len(f.Ports))
	for i := range f.Ports {
		ports[f.Ports[i].Name] = &f.Ports[i]
	}
	links := make(map[string]*FileLink, len(f.Links))
	for i := range f.Links {
		links[f.Links[i].Name] = &f.Links[i]
	}
	if name == before.sources[0].name {
		changed = f.Control != before.Control || f.Metrics != before.Metrics || f.Web != before.Web || f.MaxAddresses != before.MaxAddresses
	}
	for i := range before.Ports {
		was := &before.Ports[i]
		switch is := ports[was.Name]; {
		case was.Place.File != name:
		case is == nil:
			gone = append(gone, "port "+was.Name)
		default:
			changed = changed || !reflect.DeepEqual(was.PortChange, is.PortChange)
		}
	}
	for i := range before.Links {
		was := &before.Links[i]
		switch is := links[was.Name]; {
		case was.Place.File != name:
		case is == nil:
			gone = append(gone, "link "+was.Name)
		default:
			changed = changed || !reflect.DeepEqual(was.said(), is.said())
		}
	}
	return gone, changed
}

// Gone are the links and ports of before that f does not have.
func (f *File) Gone(before *File) (links, ports []string) {
	has := make(map[string]bool, len(f.Links)+len(f.Ports))
	for i := range f.Links {
		has["link "+f.Links[i].Name] = true
	}
	for i := range f.Ports {
		has["port "+f.Ports[i].Name] = true
	}
	links = []string{}
	for i := range before.Links {
		if name := before.Links[i].Name; !has["link "+name] {
			links = append(links, name)
		}
	}
	for i := range before.Ports {
		if name := before.Ports[i].Name; !has["port "+name] {
			ports = append(ports, name)
		}
	}
	return links, ports
}

// said is the link without places.
func (l *FileLink) said() FileLink {
	out := *l
	out.Place, out.FDB = Place{}, slices.Clone(l.FDB)
	for i := range out.FDB {
		out.FDB[i].Place = Place{}
	}
	return out
}

// missingEnd is what stood last in a value and is not there any more, where the
// value may have been cut off behind what stands last now; else "". Brackets close
// what is in them.
func missingEnd(was, is *node) string {
	last := was.last()
	switch {
	case last == nil || is.closed || is.kind == scalarNode: // brackets and single values end by themselves
		return ""
	case is.kind == nullNode, is.child(last.id) == nil && !wordReplaced(was, is):
		return last.id
	}
	now := is.last()
	if before := was.child(now.id); before != nil {
		return missingEnd(before, now.node)
	}
	return ""
}

// wordReplaced reports whether a mapping has all of its words but the last, and
// ends in another one: remotes instead of remote, for one.
func wordReplaced(was, is *node) bool {
	if is.kind != mappingNode || len(was.pairs) < 2 {
		return false
	}
	for _, p := range was.pairs[:len(was.pairs)-1] {
		if is.child(p.key.text) == nil {
			return false
		}
	}
	return was.child(is.last().id) == nil
}

// child is a value in a list or mapping with what it is known by: its key, its
// name, its MAC address and destination, or itself.
type child struct {
	id string
	*node
}

func (n *node) last() *child {
	switch {
	case n.kind == listNode && len(n.items) > 0:
		item := n.items[len(n.items)-1]
		return &child{item.id(), item}
	case n.kind == mappingNode && len(n.pairs) > 0:
		p := n.pairs[len(n.pairs)-1]
		return &child{p.key.text, p.value}
	}
	return nil
}

func (n *node) child(id string) *node {
	for _, p := range n.pairs {
		if p.key.text == id {
			return p.value
		}
	}
	for _, item := range n.items {
		if item.id() == id {
			return item
		}
	}
	return nil
}

func (n *node) id() string {
	if n.kind != mappingNode {
		return n.text
	}
	var id []string
	for _, key := range []string{"name", "mac", "dst"} {
		if v := n.child(key); v != nil {
			id = append(id, v.text)
		}
	}
	return strings.Join(id, " ")
}
