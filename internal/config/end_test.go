package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// tenLinks are links as a file has them, of several kinds.
func tenLinks() []string {
	var all []string
	for i := 1; i <= 10; i++ {
		text := fmt.Sprintf("  - name: vx%d\n    id: %d\n    local: 192.0.2.1\n", i, 10*i)
		switch i % 4 {
		case 0:
			text = fmt.Sprintf("  - {name: vx%d, id: %d, remotes: [192.0.2.2, 192.0.2.12]}\n", i, 10*i)
		case 1:
			text += "    remotes:\n      - 192.0.2.2\n      - 192.0.2.12\n"
		case 2:
			text += "    remote: 192.0.2.12\n    ttl: 64\n    fdb:\n      - mac: \"02:00:00:00:00:07\"\n        dst: 192.0.2.17\n      - {mac: \"02:00:00:00:00:08\", dst: 192.0.2.18}\n"
		default:
			text += "    remote: 192.0.2.12 # the other\n    persist: true\n"
		}
		all = append(all, text)
	}
	return all
}

func linksFile(links ...string) string {
	return "# of the site\ncontrol: /run/uvtep/uvtep.sock\nlinks:\n" + strings.Join(links, "")
}

// readNow reads a text that must be one.
func readNow(t *testing.T, text string) *File {
	t.Helper()
	f, err := Read("f", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return f
}

// lost are the links of before that are neither as they were nor as they are in
// meant, which was to be written.
func lost(before, now, meant *File) []string {
	find := func(f *File, name string) *FileLink {
		for i := range f.Links {
			if f.Links[i].Name == name {
				return &f.Links[i]
			}
		}
		return nil
	}
	var all []string
	for i := range before.Links {
		was := &before.Links[i]
		is, to := find(now, was.Name), find(meant, was.Name)
		switch {
		case is == nil && to == nil:
		case is != nil && reflect.DeepEqual(is.said(), was.said()):
		case is != nil && to != nil && reflect.DeepEqual(is.said(), to.said()):
		default:
			all = append(all, was.Name)
		}
	}
	return all
}

// TestCuts: a file that was cut off anywhere takes no link away, also one that was
// being changed.
func TestCuts(t *testing.T) {
	links := tenLinks()
	was := linksFile(links...)
	first, last := strings.Replace(links[0], "id:", "ttl: 9\n    id:", 1), strings.Replace(links[9], "id:", "mtu: 1400\n    id:", 1)
	for what, meant := range map[string]string{
		"the same":               was,
		"one more in front":      linksFile(append([]string{"  - name: new\n    id: 7\n    ttl: 5\n"}, links...)...),
		"one more behind":        linksFile(append(tenLinks(), "  - name: new\n    id: 7\n    ttl: 5\n")...),
		"the first changed":      linksFile(append([]string{first}, links[1:]...)...),
		"the last changed":       linksFile(append(tenLinks()[:9], last)...),
		"one less in the middle": linksFile(append(tenLinks()[:4], links[5:]...)...),
		"with an end":            was + "...\n",
		"one less, with an end":  linksFile(links[:9]...) + "...\n",
	} {
		old := was
		if strings.HasSuffix(meant, "...\n") {
			old += "...\n"
		}
		before, whole := readNow(t, old), readNow(t, meant)
		step := 7
		if what == "the same" || what == "with an end" {
			step = 1
		}
		cuts, refused, taken := 0, 0, 0
		for n := 0; n < len(meant); n += step {
			cuts++
			now, err := Read("f", []byte(meant[:n]))
			if err != nil {
				refused++
				continue
			}
			gone := lost(before, now, whole)
			if len(gone) > 0 {
				taken++
			}
			if now.CheckEnd(before) != nil {
				refused++
			} else if len(gone) > 1 || len(gone) == 1 && (meant[n-1] != '\n' || gone[0] != now.Links[len(now.Links)-1].Name) {
				// What the last link of all says behind a line's end may be meant to go.
				t.Errorf("%s: cut off behind %d of %d bytes it was taken and takes away of %v:\n%s", what, n, len(meant), gone, meant[max(0, n-60):n])
			}
		}
		t.Logf("%s: %d of %d cuts refused, %d of them for their end alone", what, refused, cuts, taken)
		if taken < cuts/20 {
			t.Errorf("%s: %d cuts of %d are files that take something away: too few to see", what, taken, cuts)
		}
	}
}

// TestEnds: what says so whole is taken, what does not is told with what to do.
func TestEnds(t *testing.T) {
	l := tenLinks()
	file := linksFile(l...)
	for _, c := range []struct{ name, was, is, want string }{
		{"the same", file, file, ""},
		{"one less in the middle", file, linksFile(append(tenLinks()[:4], l[5:]...)...), ""},
		{"one more", file, file + "  - name: new\n    id: 7\n", ""},
		{"the last one, with an end", file + "...\n", linksFile(l[:9]...) + "...\n", ""},
		{"the last one, with an end now", file, linksFile(l[:9]...) + "... # vx10 has moved\n", ""},
		{"none, in brackets", file, "links: []\n", ""},
		{"none, in brackets, in the file's own", file, "control: /run/uvtep/uvtep.sock\nlinks: []\n", ""},
		{"of brackets", "links: [{name: a, id: 1}, {name: b, id: 2}]\n", "links: [{name: a, id: 1}]\n", ""},
		{"a comment at the end", file + "# x\n", file, ""},
		{"an empty file of nothing", "# nothing\n", "", ""},
		{"another order", linksFile(l[0], l[1]), linksFile(l[1], l[0]), ""},
		{"another last word", linksFile(l[2]), strings.Replace(linksFile(l[2]), "persist: true", "queues: 1", 1), ""},
		{"less words, and another", linksFile(l[2]), strings.Replace(linksFile(l[2]), "remote: 192.0.2.12 # the other\n    persist: true", "queues: 1", 1), ""},
		{"empty", file, "", "f:1:1: the file is empty, and had link vx1, link vx2"},
		{"comments", file, "# of the site\n", "f:2:1: the file is empty"},
		{"nothing below", file, "links:\n", "f:2:1: the file ends before vx10, which ended it, and link vx1,"},
		{"the last one", file, linksFile(l[:9]...), "before vx10, which ended it, and link vx10 would go: nothing is changed; write the line ... at its end"},
		{"another last one", file, linksFile(l[:9]...) + "  - name: new\n    id: 7\n", ""},
		{"another one for the last two", file, linksFile(l[:8]...) + "  - name: new\n    id: 7\n", ""},
		{"another one for the last three", file, linksFile(l[:7]...) + "  - name: new\n    id: 7\n", "before vx10, which ended it, and link vx8, link vx9, link vx10 would go"},
		{"the last one, and the first changed", file, linksFile(append([]string{strings.Replace(l[0], "id:", "ttl: 9\n    id:", 1)}, l[1:9]...)...), ""},
		{"the last one's last word", linksFile(l[2]), strings.TrimSuffix(linksFile(l[2]), "    persist: true\n"), ""},
		{"a line without its end", linksFile(l[2]), strings.TrimSuffix(linksFile("  - name: vx3\n    id: 30\n    local: 192.0.2.11\n    remote: 192.0.2.12\n    persist: true"), "1"), "f:8:18: the file ends in the middle of a line"},
		{"what stands behind the links", linksFile(l[2]) + "maxaddress: 1000\n", linksFile(l[2]), ""},
		{"without the end that it had", file + "...\n", file, "without the line ... that it had"},
		{"more without the end", file + "...\n", file + "  - name: new\n    id: 7\n", "uvtep config apply --force"},
		{"ports", "ports:\n  - name: t\nlinks:\n  - name: a\n    id: 1\n", "ports:\n", "before links, which ended it, and port t, link a would go"},
	} {
		err := readNow(t, c.is).CheckEnd(readNow(t, c.was))
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q in it", c.name, err, c.want)
		}
	}
}

// TestEndsOfConfD: each file by itself; one that is gone was taken away, a
// directory that is gone was not.
func TestEndsOfConfD(t *testing.T) {
	dir := t.TempDir()
	read := func(files map[string]string) *File {
		t.Helper()
		if err := os.RemoveAll(filepath.Join(dir, "conf.d")); err != nil {
			t.Fatal(err)
		}
		for name, text := range files {
			name = filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		f, err := ReadFile(filepath.Join(dir, mainName))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	link := func(name string, id int) string { return fmt.Sprintf("  - name: %s\n    id: %d\n", name, id) }
	main := "links:\n" + link("a", 1)
	one, two := "links:\n"+link("b", 2)+link("c", 3), "links:\n"+link("d", 4)
	before := read(map[string]string{mainName: main, "conf.d/1.yaml": one, "conf.d/2.yaml": two})
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"the same", map[string]string{mainName: main, "conf.d/1.yaml": one, "conf.d/2.yaml": two}, ""},
		{"one is gone", map[string]string{mainName: main, "conf.d/1.yaml": one}, ""},
		{"all are gone", map[string]string{mainName: main, "conf.d/.keep": ""}, ""},
		{"the directory is gone", map[string]string{mainName: main}, "conf.d: the directory is gone, and link b, link c, link d with it"},
		{"one is empty", map[string]string{mainName: main, "conf.d/1.yaml": one, "conf.d/2.yaml": ""}, "2.yaml:1:1: the file is empty, and had link d"},
		{"one is cut off", map[string]string{mainName: main, "conf.d/1.yaml": "links:\n" + link("b", 2), "conf.d/2.yaml": two}, "1.yaml:4:1: the file ends before c"},
		{"a link has moved", map[string]string{mainName: main, "conf.d/1.yaml": "links:\n" + link("b", 2), "conf.d/2.yaml": two + link("c", 3)}, ""},
		{"all is in one", map[string]string{mainName: main + link("b", 2) + link("c", 3), "conf.d/1.yaml": "", "conf.d/2.yaml": two}, ""},
		{"the first is empty", map[string]string{mainName: "", "conf.d/1.yaml": one, "conf.d/2.yaml": two}, mainName + ":1:1: the file is empty, and had link a"},
	} {
		err := read(c.files).CheckEnd(before)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n")):
			t.Errorf("%s: %v, want one line with %q", c.name, err, c.want)
		}
	}
}
